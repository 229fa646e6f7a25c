"""Who is told of what happens: webhooks and e-mails, from the log to the words that are sent."""

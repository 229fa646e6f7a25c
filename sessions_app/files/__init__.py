"""Pictures and files of conversations: what they are, where they are kept, whose they are, and their end."""

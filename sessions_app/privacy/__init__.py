"""What can be forgotten, what is kept of that, and what a person may take along."""

"""The review desk: what staff do with a session beside reading it."""

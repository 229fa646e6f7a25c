"""The event log of a session: what is in it, how it is written, read and folded, and a session's life."""

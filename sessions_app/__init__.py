"""The log: one durable, gap-free event log per session, its writer, its readers and its admin."""

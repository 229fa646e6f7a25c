"""The staff's admin: sessions to read, people to manage, jobs to look after."""

from sessions_app.admin import jobs, people, records, sessions

__all__ = ["jobs", "people", "records", "sessions"]

"""The staff's admin: sessions to read, people to manage, jobs to look after."""

from sessions_app.admin import (
    assistants,
    deliveries,
    inbox,
    jobs,
    machine_room,
    people,
    records,
    sessions,
    webhooks,
)

__all__ = [
    "assistants",
    "deliveries",
    "inbox",
    "jobs",
    "machine_room",
    "people",
    "records",
    "sessions",
    "webhooks",
]

"""Waiting for what the log holds, whatever the clients have seen."""

from sessions_app.models import SessionEvent
from sessions_app.postgres.threads import in_db_thread
from tests.support.waiting import eventually


async def committed(event_type: str, *, times: int = 1, sessions: int = 1, **wanted: str) -> None:
    """Until that many of these events are in the log, in so many sessions.

    A client is shown the first words of an answer before their commit. What its process has not stored when it is
    killed was never said: a test that kills, and is about what the log holds then, waits for this first.
    """
    rows = SessionEvent.objects.filter(event_type=event_type, **wanted)

    async def there() -> None:
        assert await in_db_thread(rows.count) >= times
        assert await in_db_thread(rows.values("session_id").distinct().count) >= sessions

    await eventually(there)

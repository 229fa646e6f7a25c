"""First words that nobody wrote: a process of the release before, which still ran when the column came, left them out, and
without them a session never comes to the review queue."""

from django.db import connection

_PAGE = 1_000
# The same words as the migration's (0010); those that ended lately, by the index `sessions_to_erase`.
_LOOK_UP = r"""
WITH late AS (
    SELECT session_id FROM sessions
    WHERE status = 'ended' AND erased_at IS NULL AND end_time > now() - interval '2 days'
        AND user_messages > 0 AND first_words = ''
    LIMIT %s
)
UPDATE sessions s SET first_words = coalesce(nullif((
    SELECT left(btrim(regexp_replace(left(e.content, 960), '\s+', ' ', 'g')), 120) FROM session_events e
    WHERE e.session_id = s.session_id AND e.event_type = 'user_message' ORDER BY e.seq LIMIT 1), ''), '…')
FROM late
WHERE s.session_id = late.session_id AND s.erased_at IS NULL AND s.first_words = ''
"""


def look_up_first_words() -> int:
    """Of the sessions that ended in the last two days; how many lacked theirs, in one page of them."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, [_PAGE])
        return int(cursor.rowcount)

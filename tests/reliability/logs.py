"""Long logs, made at once."""

from sessions_app.log import events as ev
from sessions_app.log.leases import renew_process
from sessions_app.log.lifecycle import Visitor, append_now, end_session, open_session

PROCESS = "proc_of_a_test"


def write_ended_session(session_id: str, *, messages: int, chars: int) -> int:
    """A session that has ended, with that many messages of that length; the seq of its last message."""
    renew_process(process_id=PROCESS)
    opened = open_session(
        session_id=session_id, visitor=Visitor(), process_id=PROCESS, model="demo", source="test"
    )
    said = [
        ev.UserMessage(item_id=f"item_{number}", text=f"{number:06}" + "x" * (chars - 6))
        for number in range(messages)
    ]
    last_seq = append_now(
        session_id=session_id,
        epoch=opened.epoch,
        last_seq=opened.last_seq,
        events=[ev.SessionStarted(model="demo", source="test"), *said],
    )
    end_session(session_id=session_id, epoch=opened.epoch, last_seq=last_seq, reason="closed")
    return last_seq

"""``?resume=RESPONSE_ID&starting_after=N`` on the socket: the rest of what another connection was giving. The SDKs send nothing
again when they connect anew, and their callback for that may change the query alone."""

import re
from collections.abc import Mapping, Sequence

from chat.errors import FrameError
from chat.wire.dialect import check_text
from chat.wire.http.visit import Visit
from chat.wire.responses.create import place_of
from chat.wire.responses.lanes import Resume
from sessions_app.log import events as ev
from sessions_app.log.lookup import Place
from sessions_app.log.replay import read_records
from sessions_app.postgres.threads import in_db_thread

_NUMBER = re.compile(r"-1|[0-9]{1,18}")


async def resumed_by(
    visit: Visit, query: Mapping[str, Sequence[str]], *, most: int
) -> list[tuple[str | None, Resume]]:
    """Each with its lane, as it was given. Raises `FrameError`, `ObjectNotFound`."""
    ids, numbers = _listed(query, "resume"), _listed(query, "starting_after")
    while numbers and not numbers[-1]:
        del numbers[-1]
    if len(ids) > most or len(numbers) > len(ids):
        raise FrameError(
            f"resume names up to {most} responses, and starting_after a number for each of them.",
            param="resume",
        )
    jobs = []
    for index, response_id in enumerate(ids):
        if not response_id:
            continue
        check_text(response_id, param="resume")
        place, _ = await place_of(visit, response_id, param="resume")
        after = _number(numbers[index]) if index < len(numbers) else -1
        jobs.append((await in_db_thread(_lane_of, place), Resume(place=place, after=after)))
    return jobs


def _listed(query: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """One after another with commas, or, as the SDKs write a list, ``NAME[]`` for each. An empty one keeps its place: of a response
    whose number a client does not know it has seen nothing, and the next one's number is not that one's."""
    given = [*query.get(name, ()), *query.get(f"{name}[]", ())]
    return [one for text in given for one in text.split(",")]


def _number(given: str) -> int:
    """Raises `FrameError`."""
    if not given:
        return -1
    if not _NUMBER.fullmatch(given):
        raise FrameError(
            "starting_after is the sequence_number of the last event that you have.", param="starting_after"
        )
    return int(given)


def _lane_of(place: Place) -> str | None:
    records = read_records(session_id=place.session_id, after=place.seq - 1, limit=1)
    event = records[0].event if records else None
    if not isinstance(event, ev.ResponseQueued | ev.ResponseStarted):
        return None
    return (event.options.get("asked") or {}).get("stream_id")

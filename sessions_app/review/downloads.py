"""Files that are streamed as they are made, a whole transcript among them: the server holds one page of it at a time."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, StreamingHttpResponse

from sessions_app.log.rows import Row
from sessions_app.models import Session
from sessions_app.review.reader import fold_rows, read_rows
from sessions_app.review.text import entry_text, head_text

_FIELDS = (
    "session_id",
    "user_id",
    "guest_id",
    "external_user_id",
    "status",
    "source",
    "start_time",
    "end_time",
    "duration_seconds",
    "model",
    "title",
    "summary",
    "user_messages",
    "assistant_messages",
    "tool_calls",
    "responses",
    "failed_responses",
    "input_tokens",
    "output_tokens",
)


def download(request: HttpRequest, session: Session, form: str) -> StreamingHttpResponse:
    """The transcript as ``md`` (what was said, for reading) or ``json`` (every event but deltas). Raises Http404."""
    if form not in _FORMS:
        raise Http404(f"A transcript comes as {' or '.join(_FORMS)}.")
    content_type, chunks = _FORMS[form]
    return file_response(
        request, chunks(session), content_type=content_type, filename=f"{session.session_id}.{form}"
    )


def file_response(
    request: HttpRequest, pieces: Iterator[str], *, content_type: str, filename: str
) -> StreamingHttpResponse:
    """A download named ``filename``; ``pieces`` may ask the database."""
    content: Any = _in_threads(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _in_threads(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Under ASGI Django would gather a plain iterator whole before it sends the first byte."""
    while (piece := await sync_to_async(lambda: next(pieces, None))()) is not None:
        yield piece


def _markdown(session: Session) -> Iterator[str]:
    yield head_text(session)
    for rows in read_rows(session):
        yield "".join(entry_text(entry) for entry in fold_rows(rows))


def _json(session: Session) -> Iterator[str]:
    head = msgspec.json.encode({name: getattr(session, name) for name in _FIELDS}).decode()
    yield f'{{"session": {head},\n"events": [\n'
    comma = ""
    for rows in read_rows(session):
        yield comma + ",\n".join(msgspec.json.encode(_event(row)).decode() for row in rows)
        comma = ",\n"
    yield "\n]}\n"


def _event(row: Row) -> dict[str, Any]:
    event = msgspec.structs.asdict(row)
    del event["session_id"], event["first_seq"]
    return event


_FORMS: dict[str, tuple[str, Callable[[Session], Iterator[str]]]] = {
    "md": ("text/markdown; charset=utf-8", _markdown),
    "json": ("application/json; charset=utf-8", _json),
}

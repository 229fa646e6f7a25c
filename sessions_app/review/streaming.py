"""A file as it is written: the server holds one piece of it at a time."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


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

"""What the schema says of ``GET /api/sessions/ID/stream``, which is answered before Django: `chat.wire.events.app`."""

from http import HTTPStatus

from chat.api.documents import JSON, TEXT, path, query

_ERROR = {"$ref": "#/components/schemas/Error"}


def _refusal(status: int) -> JSON:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/json": {"schema": _ERROR}},
    }


_LAST: JSON = {
    "in": "header",
    "name": "Last-Event-ID",
    "required": False,
    "schema": TEXT,
    "description": "As `EventSource` sends it by itself when it connects again; it goes before `after`.",
}
_AFTER = {"type": "integer", "minimum": 0, "default": 0}

_EVENT: JSON = {
    "type": "object",
    "description": "One of them; `data` is a LogEvent as JSON.",
    "properties": {
        "id": TEXT,
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/LogEvent"},
        },
    },
    "required": ["id", "data"],
}

STREAM: JSON = {
    "/api/sessions/{session_id}/stream": {
        "get": {
            "operationId": "streamEvents",
            "tags": ["sessions"],
            "summary": "Follow its log",
            "description": (
                "Server-sent events for the browser's own `EventSource`: what is in the log behind `after`, then what comes, until "
                "nothing runs any more. The data of each is an event as `/events` gives it, with the deltas; its `id` is its seq. "
                "204 where nothing runs and nothing is new: `EventSource` does not come again then. So open it after what is said."
            ),
            "parameters": [
                path("session_id", "Its id."),
                query("after", _AFTER, "The seq of the last event that is known."),
                query("resume_token", TEXT, "Of a session that is nobody's: it lets in."),
                query(
                    "token",
                    TEXT,
                    "A client secret or an access token, where no header can be sent; no API key.",
                ),
                _LAST,
            ],
            "responses": {
                "200": {"description": "OK", "content": {"text/event-stream": {"schema": _EVENT}}},
                "204": {"description": "Nothing runs, and nothing is new"},
                **{str(status): _refusal(status) for status in (400, 401, 403, 404, 429, 500, 503)},
            },
        }
    }
}

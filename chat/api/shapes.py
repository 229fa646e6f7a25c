"""What plain HTTP takes and gives, as the schema tells of it."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

from sessions_app.log.naming import TITLE_CHARS
from sessions_app.models import SessionStatus, SummaryState, Topic

SAFE_INT = 2**53 - 1
"""What JSON's readers in browsers tell apart."""
_NO_NUL = r"^[^\x00]*$"


class Problem(Schema):
    code: Annotated[str, Field(description="Stable, for programs.")]
    message: Annotated[str, Field(description="A sentence for a person: what is wrong, and what to do.")]
    type: str | None = None
    param: Annotated[str | None, Field(description="What it is about.")] = None


class Error(Schema):
    error: Problem


class SessionShown(Schema):
    id: str
    title: str
    named: Annotated[bool, Field(description="The title is the user's own.")]
    pinned: bool
    started_at: datetime
    last_word_at: datetime
    last_event_at: datetime
    status: Literal["active", "ended"]
    assistant: str
    summary: Annotated[str, Field(description="Markdown; empty where there is none.")]
    excerpt: Annotated[
        list[str],
        Field(
            description="Of a search: what was said around the words, and the words, in turn. Empty: they are in the title."
        ),
    ]


class Sessions(Schema):
    sessions: list[SessionShown]
    next_cursor: Annotated[str | None, Field(description="For the next page; null: this is the last.")]


class Changes(Schema):
    model_config = ConfigDict(extra="forbid")
    title: Annotated[str | None, Field(max_length=TITLE_CHARS, description="Null: the summary's again.")] = (
        None
    )
    pinned: bool = False


class Ended(Schema):
    id: str
    status: SessionStatus


class LogEvent(Schema):
    """What happened, with the fields of its type; those at their default are left out."""

    model_config = ConfigDict(extra="allow")
    seq: Annotated[int, Field(ge=1)]
    type: str
    at: Annotated[datetime | None, Field(description="Of all but deltas.")] = None


class Events(Schema):
    events: list[LogEvent]
    after: Annotated[int, Field(description="Ask with it for what follows.")]
    more: Annotated[bool, Field(description="There is more in the log already.")]


class Message(Schema):
    model_config = ConfigDict(extra="allow")
    id: str
    role: Literal["user", "assistant", "system"]
    at: datetime
    text: str


class Transcript(Schema):
    id: str
    messages: list[Message]


class Summary(Schema):
    state: SummaryState
    title: str
    summary: Annotated[str, Field(description="Markdown.")]
    intent: str
    topics: list[str]
    outcome: Annotated[str, Field(description="resolved, unresolved or abandoned; empty: it is not known.")]
    language: str
    open_questions: list[str]
    follow_ups: list[str]


class Word(Schema):
    model_config = ConfigDict(extra="forbid")
    item_id: Annotated[str, Field(min_length=1, max_length=128)]
    rating: Literal["up", "down", "none"]
    reason: Annotated[str | None, Field(max_length=64)] = None
    comment: str | None = None


class Rated(Schema):
    item_id: str
    rating: Literal["up", "down", "none"]
    reason: str
    comment: str


class ModelShown(Schema):
    id: str
    name: Annotated[str, Field(description="For people.")]


class Models(Schema):
    models: list[ModelShown]


class FileShown(Schema):
    id: str
    name: str
    media_type: str
    bytes: int
    width: int | None
    height: int | None
    pages: int | None
    url: str


class FileLink(Schema):
    url: str
    expires_at: Annotated[int, Field(description="Unix seconds.")]


class Erased(Schema):
    erased: int
    failed: int
    left: Annotated[int, Field(description="Ask again until it is 0.")]


Line = Annotated[str, StringConstraints(pattern=_NO_NUL, strip_whitespace=True)]


class NewWebhook(Schema):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[Line, Field(min_length=1, max_length=100)]
    url: Annotated[Line, Field(min_length=1, max_length=500)]
    topics: Annotated[list[Topic], Field(max_length=len(Topic))]
    with_words: Annotated[bool, Field(description="What people and models said is sent along.")] = False
    active: bool = True


class WebhookShown(Schema):
    id: int
    name: str
    url: str
    topics: list[str]
    with_words: bool
    active: bool
    created_at: datetime


class MadeWebhook(WebhookShown):
    secret: Annotated[str, Field(description="What its messages are signed with; shown this once.")]


class Webhooks(Schema):
    webhooks: list[WebhookShown]

"""``POST /v1/realtime/client_secrets``: with an API key, a short-lived secret for the browser of one user of the shop's own.

Shapes of the Realtime API (GA), with one field of ours: ``x_external_user_id``, whom the secret is for.
"""

import logging
from typing import Annotated, Any

import msgspec
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from msgspec import Meta

from chat.assistants import INSTRUCTIONS, PLAIN, Assistant, shelf
from chat.errors import ChatError, CredentialsInvalid, FrameError
from chat.page.views import as_openai_has_it
from chat.session.commands import SessionConfig
from chat.wire.realtime.checks import check_nul, invalid, parse_object
from chat.wire.realtime.client import SessionSettings, check_settings
from chat.wire.realtime.objects import SessionObject
from identity.keys import DEFAULT_SECRET_S, LEAST_SECRET_S, MOST_SECRET_S, make_secret
from identity.models import ASSISTANT, ApiKey, Scope
from identity.principal import Kind, principal_of, shown
from identity.tokens import CredentialsRefused
from sessions_app.ids import new_id

logger = logging.getLogger(__name__)


class ExpiresAfter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    anchor: str = "created_at"
    seconds: Annotated[int, Meta(ge=LEAST_SECRET_S, le=MOST_SECRET_S)] = DEFAULT_SECRET_S


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    expires_after: ExpiresAfter = ExpiresAfter()
    session: SessionSettings | None = None
    x_assistant: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    """None: the address of each connection says with whom it is."""
    x_external_user_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """None: a user of its own, whom nobody else is."""


@csrf_exempt  # whoever comes here comes by a key: a page of somebody else's cannot make a browser send one
@as_openai_has_it
@never_cache
def client_secrets(request: HttpRequest) -> JsonResponse:
    try:
        key = _key_of(request)
        wanted = _wanted(request)
        assistant = shelf.find_now(wanted.x_assistant) if wanted.x_assistant else PLAIN
        changes = _changes(wanted.session, assistant)
    except (CredentialsInvalid, CredentialsRefused) as error:
        return _refused(401, CredentialsInvalid.code, CredentialsInvalid(str(error)))
    except ChatError as error:
        return _refused(400, error.code, error)
    external_user_id = wanted.x_external_user_id or new_id("user")
    made = make_secret(
        key=key,
        external_user_id=external_user_id,
        seconds=wanted.expires_after.seconds,
        session={**changes, ASSISTANT: wanted.x_assistant} if wanted.x_assistant else changes,
    )
    return JsonResponse(
        {
            "value": made.value,
            "expires_at": int(made.row.expires_at.timestamp()),
            "session": msgspec.to_builtins(_session_object(changes, assistant)),
            "x_external_user_id": external_user_id,
        }
    )


def _key_of(request: HttpRequest) -> ApiKey:
    """Raises `CredentialsInvalid`, `CredentialsRefused`."""
    principal = principal_of(shown({"authorization": request.headers.get("Authorization", "")}))
    if principal.kind is not Kind.KEY or principal.key_id is None or not principal.may(Scope.CHAT):
        raise CredentialsInvalid("Client secrets are made with an API key of the scope chat.")
    return ApiKey.objects.get(pk=principal.key_id)


def _wanted(request: HttpRequest) -> Wanted:
    """Raises `FrameError`."""
    try:
        text = request.body.decode() or "{}"
    except UnicodeDecodeError:
        raise FrameError("The body is not JSON in UTF-8.") from None
    value = parse_object(text)
    check_nul(text, value)
    try:
        wanted = msgspec.convert(value, Wanted)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    if wanted.session is not None:
        check_settings(wanted.session, "session")
    return wanted


def _changes(session: SessionSettings | None, assistant: Assistant) -> dict[str, Any]:
    """As the log keeps them. Raises `ModelNotAllowed`, `InstructionsNotAllowed`."""
    changes = session.changes() if session else {}
    assistant.check_instructions(given=bool(changes.get(INSTRUCTIONS)), param="session.instructions")
    return dict(assistant.with_full_model(changes))


def _session_object(changes: dict[str, Any], assistant: Assistant) -> SessionObject:
    """What a session that is begun with the secret will be. It has no id yet."""
    config = SessionConfig().updated(changes)
    return SessionObject(
        id="",
        model=config.model or assistant.model,
        instructions=config.instructions or assistant.shown_instructions,
        tools=config.tools,
        tool_choice=config.tool_choice,
        max_output_tokens=config.max_output_tokens or "inf",  # type: ignore[arg-type]
        x_turn_policy=config.policy,  # type: ignore[arg-type]
    )


def _refused(status: int, code: str, error: ChatError) -> JsonResponse:
    details = {"type": error.error_type, "code": code, "message": error.message, "param": error.param}
    return JsonResponse({"error": details}, status=status)

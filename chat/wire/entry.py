"""Which session a socket asks for, and by what right: its request to connect becomes a `Join`."""

from collections.abc import Mapping
from dataclasses import replace

from django.conf import settings
from django.utils.crypto import salted_hmac

from chat.assistants import PLAIN, Assistant
from chat.errors import AssistantNotFound, ChosenIdRefused, CredentialsInvalid
from chat.quota.subjects import Payers
from chat.session.opening import Join
from identity.guests import holds_secret, is_chosen
from identity.models import Scope
from identity.principal import Kind, Principal
from sessions_app.ids import check_session_id
from sessions_app.log.lifecycle import Visitor

_NAME_CHARS = 110
_TAG_CHARS = 16


def visitor_of(principal: Principal) -> Visitor:
    return Visitor(
        user_id=principal.user_id,
        guest_id=principal.guest_id,
        external_user_id=principal.external_user_id,
    )


def joins(
    principal: Principal,
    *,
    path_id: str | None,
    query: Mapping[str, str],
    open_house: bool,
    source: str,
    payers: Payers = (),
    assistant: Assistant | None = PLAIN,
) -> list[Join]:
    """What to try, in this order, while there is no such session.

    ``open_house``: a developer's own machine, where ids that clients choose are as the tutorials have them: whoever names
    one has it. ``assistant`` None: there is none of that name, or no longer; what was begun before goes on with its own. Raises
    `InvalidSessionId`, `ChosenIdRefused`, `CredentialsInvalid`, `AssistantNotFound`.
    """
    may_talk = principal.may(Scope.CHAT)
    may_begin = may_talk and assistant is not None
    session_id = query.get("session_id") or path_id
    own_model = (principal.session or {}).get("model")
    join = Join(
        visitor=visitor_of(principal),
        is_staff=principal.is_staff,
        model=own_model or query.get("model"),
        source=source,
        payers=payers,
        settings=principal.session,
        assistant=assistant or PLAIN,
    )
    if not session_id:
        if not may_talk:
            raise CredentialsInvalid("This key reads sessions and begins none. Give a session_id.")
        if assistant is None:
            raise AssistantNotFound
        return [join]
    join = replace(join, session_id=check_session_id(session_id), create=False)
    if holds_secret(session_id, query.get("resume_token", "")):
        visitor = replace(join.visitor, secret_of=session_id)
        return [replace(join, visitor=visitor, was_told=may_begin)]
    if not is_chosen(session_id):
        return [join]
    names_its_own = "session_id" not in query
    may_begin = may_begin and names_its_own
    if open_house:
        visitor = replace(join.visitor, secret_of=session_id)
        return [replace(join, visitor=visitor, create=may_begin)]
    if principal.kind is Kind.NOBODY:
        raise ChosenIdRefused
    own, *older = (replace(join, session_id=one) for one in own_ids(join.visitor, session_id))
    return [join, *older, replace(own, create=may_begin)] if names_its_own else [join]


def own_ids(visitor: Visitor, name: str) -> list[str]:
    """The id of the session that somebody calls so, and those that it has where it was begun under an older ``SECRET_KEY``. No two of
    them share one, so that a name that is asked for tells nothing of others' sessions, and taking it keeps it from nobody."""
    owner = visitor.as_owner()
    whose = f"{owner.user_id}/{owner.guest_id}/{owner.external_user_id}/{name}"
    return [
        f"{name[:_NAME_CHARS]}~{_tag(whose, key)}"
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]


def _tag(whose: str, key: str | bytes) -> str:
    return salted_hmac("chat.wire.entry", whose, secret=key, algorithm="sha256").hexdigest()[:_TAG_CHARS]

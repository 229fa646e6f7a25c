"""Who sends an HTTP request, and by what right: the same doors as a socket's. A browser's cookies count for nothing where a request
changes something, so that no page of somebody else's can ask in its user's name."""

import contextlib
from collections.abc import Callable, Container
from dataclasses import replace

from chat.assistants import PLAIN, Assistant, shelf
from chat.errors import AssistantNotFound, ChatError, ReadOnlyKey
from chat.quota.quotas import left_headers
from chat.quota.subjects import Payers, address_of, payers_of, subjects_of
from chat.runtime import Runtime
from chat.session.opening import Join
from chat.session.remote import RemoteSession
from chat.session.session import Session
from chat.supervision import Held
from chat.wire.auth import check_origin, identify
from chat.wire.entry import joins, own_ids, visitor_of
from chat.wire.http.exchange import Exchange
from identity.guests import is_chosen
from identity.models import Scope
from identity.principal import Kind, Principal
from sessions_app.errors import SessionNotFound, SessionsError
from sessions_app.ids import check_session_id, new_id
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.lookup import is_there
from sessions_app.postgres.threads import in_db_thread

AnySession = Session | RemoteSession


class Visit:
    """One request as a subscriber of its session, and as one whose credentials are watched while it lasts."""

    def __init__(self, server: Runtime, principal: Principal, payers: Payers, dialect: str) -> None:
        self.server = server
        self.principal = principal
        self.visitor: Visitor = visitor_of(principal)
        self.payers = payers
        self.dialect = dialect
        self.connection_id = new_id("conn")
        self.session: AnySession | None = None
        self.refused: ChatError | SessionsError | None = None
        """Why it may not go on: its credentials have ended, or its session has."""
        self._stop: Callable[[], object] | None = None
        self.held = Held()
        self.waits_for = ""
        """The response that its client asked for, and is given."""
        self.made: Container[str] = ()
        """Responses that its client may go on from though they are not to be given out."""

    # As a subscriber

    def notify(self, error: Exception) -> None:
        """What concerns an answer is in its log."""

    # As one of those who are watched

    @property
    def stored_session(self) -> str | None:
        if self.session is None or (isinstance(self.session, Session) and not self.session.log.stored):
            return None
        return self.session.session_id

    def refuse(self, error: ChatError | SessionsError) -> None:
        self.refused = error
        if self._stop:
            self._stop()

    def stopped_by(self, stop: Callable[[], object] | None) -> None:
        """How what is given by it from now on is stopped; at once where it may not go on already."""
        self._stop = stop
        if stop and self.refused:
            stop()

    # What it may

    @property
    def is_nobody(self) -> bool:
        """It has no name by which it could come back, but what it was told."""
        return self.principal.kind is Kind.NOBODY

    @property
    def may_write(self) -> bool:
        return self.principal.may(Scope.CHAT)

    def check_may_write(self) -> None:
        """Raises `ReadOnlyKey`."""
        if not self.may_write:
            raise ReadOnlyKey

    def ask(self, headers: dict[str, str] | None = None) -> None:
        """Count one question. ``headers`` are told what is left, of one that is refused as well. Raises `LimitReached`."""
        try:
            self.server.quotas.ask(self.payers)
        finally:
            if headers is not None:
                headers |= left_headers(self.server.quotas.left(self.payers))

    # Its session

    async def begin(self, *, model: str | None, assistant: str = "") -> AnySession:
        """A session of its own. Raises what the hub's `join` raises, `AssistantNotFound`."""
        join = self._join(await self._assistant(assistant))
        return await self._joined(replace(join, model=join.model or model))

    async def enter(self, session_id: str, *, reopen: bool = True) -> AnySession:
        """One that is there. Raises what the hub's `join` raises."""
        return await self._joined(
            replace(self._join(PLAIN), session_id=session_id, create=False, reopen=reopen)
        )

    async def enter_named(
        self, name: str, *, open_house: bool = False, model: str | None = None, assistant: str = ""
    ) -> AnySession:
        """The one that somebody calls so, made where there is none: as a socket at ``/ws/session/{name}``. Raises
        `SessionNotFound`, `InvalidSessionId`, `ChosenIdRefused`, `AssistantNotFound`, and what the hub's `join` raises."""
        try:
            whom = await self._assistant(assistant)
        except AssistantNotFound:
            whom = None
        tries = joins(
            self.principal,
            path_id=name,
            query={},
            open_house=open_house,
            source=self.dialect,
            payers=self.payers,
            assistant=whom,
        )
        for join in tries:
            with contextlib.suppress(SessionNotFound):
                return await self._joined(replace(join, model=join.model or model))
        raise SessionNotFound if whom else AssistantNotFound

    async def find_named(self, name: str, *, open_house: bool) -> str:
        """The id of the session that the client calls so; "" where there is none, or it is not theirs. Raises `InvalidSessionId`."""
        names = [check_session_id(name), *own_ids(self.visitor, name)]
        if open_house and is_chosen(name):
            self.knows_secret_of(name)
        for session_id in names:
            if await in_db_thread(is_there, session_id=session_id, visitor=self.visitor):
                return session_id
        return ""

    def knows_secret_of(self, session_id: str) -> None:
        self.visitor = replace(self.visitor, secret_of=session_id)

    def leave(self) -> None:
        if self.session:
            self.session.detach(self, _DONE)
            self.session = None

    def close(self) -> None:
        self.leave()
        self.held.close()

    def _join(self, assistant: Assistant) -> Join:
        own = self.principal.session
        return Join(
            visitor=self.visitor,
            is_staff=self.principal.is_staff,
            model=(own or {}).get("model"),
            source=self.dialect,
            payers=self.payers,
            settings=own,
            assistant=assistant,
        )

    async def _joined(self, join: Join) -> AnySession:
        self.leave()
        session = await self.server.hub.join(self, join)
        self.session = session
        self.knows_secret_of(session.session_id)
        return session

    def with_whom(self, name: str) -> str:
        """What the address names, unless the credential is for one assistant alone."""
        return self.principal.assistant or name

    async def _assistant(self, name: str) -> Assistant:
        """Raises `AssistantNotFound`."""
        return await shelf.find(self.with_whom(name), staff=self.principal.is_staff)


_DONE = 1000


async def visit_of(
    one: Exchange, server: Runtime, *, dialect: str, begins: bool, shown: Callable[[], dict[str, str]]
) -> Visit:
    """``begins``: the request may make a session. ``shown`` gives the headers that say who it is. Raises `CredentialsInvalid`,
    `TooManySockets`."""
    network = address_of(one.address)
    if begins:
        server.quotas.connect(network.id)
    principal = await identify(shown(), [])
    subjects = subjects_of(principal)
    payers = payers_of([*subjects, network], is_anonymous=principal.is_anonymous)
    visit = Visit(server, principal, payers, dialect)
    try:
        visit.held.callback(server.quotas.sockets([network, *subjects]).close)
        server.watch.add(visit)
        visit.held.callback(server.watch.discard, visit)
    except BaseException:
        visit.held.close()
        raise
    return visit


async def let_in(one: Exchange, *, methods: str, headers: str) -> bool:
    """A page may ask over HTTP where it may open a socket (`ALLOWED_ORIGINS`), by a key and never by a cookie of ours. False: it was
    the question whether it may, and is answered. Raises `OriginRefused`."""
    origin = one.headers.get("origin")
    if origin is None:
        return True
    check_origin({"origin": origin, "host": one.headers.get("host", "")})
    one.answer_headers |= {"access-control-allow-origin": origin, "vary": "origin"}
    if one.method != "OPTIONS":
        return True
    one.answer_headers |= {
        "access-control-allow-methods": methods,
        "access-control-allow-headers": headers,
        "access-control-max-age": "600",
    }
    await one.nothing()
    return False

"""Who asks, and which sessions they may read: as on every other wire, by a key, a token, a secret or a cookie."""

from dataclasses import dataclass, replace

from django.contrib.auth import get_user_model
from django.http import HttpRequest

from chat.errors import AccessError, CredentialsInvalid
from chat.page.own_data import Refused, admitted
from chat.wire.entry import visitor_of
from identity.guests import holds_secret
from identity.principal import Kind, Principal
from sessions_app.errors import InvalidSessionId, SessionNotFound
from sessions_app.ids import check_session_id
from sessions_app.log.lifecycle import Visitor, visible_to
from sessions_app.models import Session

SECRET = "resume_token"  # noqa: S105 - the name of a field
"""In the query: the secret of a session, which lets in who has no name."""


@dataclass(frozen=True)
class Caller:
    principal: Principal
    secret: str
    """Of a session that is nobody's."""

    def session(self, session_id: str) -> Session:
        """One that they may read. Raises `SessionNotFound`, also for another's and for an id that cannot be one."""
        try:
            check_session_id(session_id)
        except InvalidSessionId:
            raise SessionNotFound from None
        found = Session.objects.filter(visible_to(self._visitor(session_id)), pk=session_id).first()
        if found is None:
            raise SessionNotFound
        return found

    def _visitor(self, session_id: str) -> Visitor:
        visitor = visitor_of(self.principal)
        return replace(visitor, secret_of=session_id) if holds_secret(session_id, self.secret) else visitor

    def check_may(self, right: str) -> None:
        """What staff do, by a sign-in or by a key of the scope ``admin``. Raises `AccessError`."""
        staff = self.principal.user_id if self.principal.is_staff else None
        user = get_user_model().objects.get(pk=staff) if staff is not None else None
        if user is None or not user.has_perm(right):
            raise AccessError(
                f"This takes the right {right}: sign in as staff who has it, or send its admin key."
            )


def caller(request: HttpRequest) -> Caller:
    """Raises `Refused`."""
    secret = request.GET.get(SECRET, "")
    principal = admitted(request, nameless=bool(secret))
    return Caller(principal, secret)


def known_caller(request: HttpRequest) -> Caller:
    """Who has a name here, or is a guest where guests are let in. Raises `Refused`."""
    principal = admitted(request, nameless=True)
    if principal.kind is Kind.NOBODY and "authorization" not in request.headers:
        raise Refused(401, CredentialsInvalid.code, "Send a key: Authorization: Bearer KEY.")
    return Caller(principal, "")

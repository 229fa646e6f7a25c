"""Pages of the admin in a browser, beside a user who talks to the model."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.auth.models import Permission, User
from playwright.sync_api import Browser, BrowserContext, Page

from tests.admin.conftest import signed_in
from tests.support.browser import Complaints
from tests.support.server import ServerProcess

OPERATOR = ("view_session", "operate_session")


def cookie_of(name: str, rights: tuple[str, ...] = OPERATOR) -> str:
    """Of a new member of staff with these rights."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=rights, content_type__app_label="sessions_app")
    )
    return signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value


@contextmanager
def staff_page(
    browser: Browser, server: ServerProcess, name: str, rights: tuple[str, ...] = OPERATOR, **context: object
) -> Iterator[Page]:
    """At its end: it complained of nothing."""
    cookie = cookie_of(name, rights)
    opened: BrowserContext = browser.new_context(
        base_url=server.url,
        **{"viewport": {"width": 1366, "height": 850}, **context},  # type: ignore[arg-type]
    )
    opened.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": server.url}])
    page = opened.new_page()
    complaints = Complaints(page)
    yield page
    opened.close()
    assert complaints.found == []


def address_of(session_id: str) -> str:
    return f"/admin/sessions_app/session/{session_id}/change/"

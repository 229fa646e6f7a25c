"""People who look at the admin."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from playwright.sync_api import Browser, Page

from tests.support.browser import Complaints, launched
from tests.support.server import ServerProcess

PASSWORD = "a-long-password-for-tests"


@pytest.fixture
def admin(db: None) -> Client:
    """Signed in as a superuser."""
    return signed_in(User.objects.create_superuser("root", "root@example.com", PASSWORD))


@pytest.fixture
def viewer(db: None) -> Client:
    """Signed in as staff who may read sessions and nothing else."""
    user = User.objects.create_user("viewer", password=PASSWORD, is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(codename="view_session", content_type__app_label="sessions_app")
    )
    return signed_in(user)


@pytest.fixture
def operator(db: None) -> Client:
    """Signed in as staff who may read sessions and step in."""
    user = User.objects.create_user("grace", password=PASSWORD, is_staff=True)
    wanted = Permission.objects.filter(
        codename__in=["view_session", "operate_session"], content_type__app_label="sessions_app"
    )
    user.user_permissions.set(wanted)
    return signed_in(user)


@pytest.fixture
def nobody(db: None) -> Client:
    """Signed in as staff without any permission."""
    return signed_in(User.objects.create_user("nobody", password=PASSWORD, is_staff=True))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# A real Chromium, before the project's own server


@pytest.fixture(scope="module")
def browser(chromium: str, django_db_setup: None) -> Iterator[Browser]:
    with launched(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_server(django_db_setup: None) -> Iterator[ServerProcess]:
    server = ServerProcess(DJANGO_SETTINGS_MODULE="tests.support.quiet_settings").start()
    yield server
    server.stop()
    server.close()


@pytest.fixture
def server(shared_server: ServerProcess, transactional_db: None) -> ServerProcess:
    """For one test after the other: they look at rows and begin no sessions."""
    return shared_server


@pytest.fixture
def page(browser: Browser, server: ServerProcess) -> Iterator[Page]:
    """A page of a signed-in superuser. At its end: it complained of nothing, and nothing came from another server."""
    user = User.objects.create(username="root", is_staff=True, is_superuser=True)
    cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value
    context = browser.new_context(base_url=server.url, viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": server.url}])
    page = context.new_page()
    complaints, strangers = Complaints(page), []
    page.on("request", lambda request: strangers.append(request.url))
    yield page
    context.close()
    assert complaints.found == []
    assert {url for url in strangers if not url.startswith((server.url, "data:", "blob:"))} == set()

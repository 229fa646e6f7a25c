"""Reviewers, sessions to review, and what a reviewer's form sends."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from sessions_app.models import Session, SessionStatus
from tests.admin.conftest import signed_in
from tests.admin.rows import NOON, turn, write_session

LIST = "/admin/sessions_app/session/"
QUEUE = f"{LIST}queue/"


def staff(name: str, *codenames: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    wanted = Permission.objects.filter(codename__in=codenames, content_type__app_label="sessions_app")
    user.user_permissions.set(wanted)
    return user


def reviewer(name: str = "rita") -> Client:
    return signed_in(staff(name, "view_session", "review_session"))


def ended(session_id: str, *, hours_ago: float = 0, words: str = "", **fields: Any) -> Session:
    """One in which something was said, of ``hours_ago`` before noon."""
    return write_session(
        turn(1, words=words),
        session_id=session_id,
        at=NOON - timedelta(hours=hours_ago),
        **{"status": SessionStatus.ENDED, "end_time": NOON, **fields},
    )


def do(client: Client, session_id: str, act: str, query: str = "", **form: str) -> Any:
    """The reviewer's form of the panel, without its script."""
    return client.post(f"{LIST}{session_id}/review/{query}", {"act": act, **form})


def page_of(client: Client, session_id: str, query: str = "") -> str:
    response = client.get(f"{LIST}{session_id}/change/{query}")
    assert response.status_code == 200
    return response.content.decode()


def listed(client: Client, query: str = "") -> list[str]:
    """The ids of the sessions that the list shows, in its order."""
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [session.pk for session in response.context["cl"].result_list]


def led_to(client: Client, path: str, **data: Any) -> str:
    """Where a page sends its visitor on to."""
    answer: Any = client.get(path, data)
    assert answer.status_code == 302
    return str(answer.url)

"""Staff: who reads is written down and shown to those who may; who may erase does it in two steps."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from sessions_app import hooks
from sessions_app.admin import erasing
from sessions_app.models import EraseActor, Erasure, RetentionRun, Session, TranscriptOpening
from sessions_app.privacy.erase import By, erase_session
from tests.admin.rows import user_says, write_session

from .words import MARK, rows_with, session_full_of

pytestmark = pytest.mark.django_db(transaction=True)

CHANGE = "/admin/sessions_app/session/s1/change/"
ERASE = "/admin/sessions_app/session/erase/"
LISTS = {
    "view_transcriptopening": "/admin/sessions_app/transcriptopening/",
    "view_erasure": "/admin/sessions_app/erasure/",
    "view_retentionrun": "/admin/sessions_app/retentionrun/",
}
Staff = Callable[..., Client]


@pytest.fixture
def staff() -> Staff:
    def signed_in(*permissions: str) -> Client:
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    return signed_in


# Reading


@pytest.mark.parametrize(
    ("path", "view"),
    [
        (CHANGE, "transcript"),
        ("/admin/sessions_app/session/s1/events/", "events"),
        ("/admin/sessions_app/session/s1/transcript.json", "download"),
    ],
)
def test_who_reads_is_written_down_once_a_reading(staff: Staff, path: str, view: str) -> None:
    session_full_of("words")
    reader = staff("view_session")
    for query in ("", "?after=1", "?after=5"):
        assert reader.get(path + query).status_code == 200
    opening = TranscriptOpening.objects.get()
    assert (opening.session_id, opening.staff_name, opening.view) == ("s1", "staff0", view)
    assert staff("view_session").get(path).status_code == 200
    assert TranscriptOpening.objects.count() == 2


def test_who_may_not_read_leaves_no_opening(staff: Staff) -> None:
    session_full_of("words")
    assert staff().get(CHANGE).status_code == 403
    assert not TranscriptOpening.objects.exists()


def test_an_opening_outlives_the_account_of_who_opened(staff: Staff) -> None:
    session_full_of("words")
    staff("view_session").get(CHANGE)
    User.objects.all().delete()
    opening = TranscriptOpening.objects.get()
    assert (opening.staff, opening.staff_name) == (None, "staff0")


@pytest.mark.parametrize("permission", LISTS)
def test_records_are_shown_to_those_who_may(staff: Staff, permission: str) -> None:
    session_full_of("words")
    staff("view_session").get(CHANGE)
    Erasure.objects.create(session_id="s1", scope="words", actor="retention")
    RetentionRun.objects.create(words=77)
    reader = staff(permission)
    for other, path in LISTS.items():
        response = reader.get(path)
        assert response.status_code == (200 if other == permission else 403)
    shown = reader.get(LISTS[permission]).content.decode()
    wanted = {
        "view_transcriptopening": "staff0",
        "view_erasure": "the retention",
        "view_retentionrun": "77",
    }
    assert wanted[permission] in shown
    assert reader.post(LISTS[permission] + "add/").status_code == 403
    assert "not allowed" not in shown


# Erasing


def test_erasing_takes_the_permission(staff: Staff) -> None:
    session_full_of(MARK)
    reader = staff("view_session", "change_session", "delete_session")
    assert "Erase" not in reader.get(CHANGE).content.decode()
    assert "Erase" not in reader.get("/admin/sessions_app/session/").content.decode()
    assert reader.post(ERASE, {"session": "s1", "sure": "yes"}).status_code == 403
    action = {"action": "erase", "_selected_action": ["s1"]}
    reader.post("/admin/sessions_app/session/", action)
    assert rows_with(MARK)


def test_erasing_leads_back_to_the_list_with_its_filters(staff: Staff) -> None:
    session_full_of(MARK)
    eraser = staff("view_session", "erase_session")
    path = "/admin/sessions_app/session/?q=s1&show=all"
    asked = eraser.post(path, {"action": "erase", "_selected_action": ["s1"]})
    assert asked.context["back"] == path
    form = {"session": "s1", "sure": "yes"}
    assert eraser.post(ERASE, {**form, "back": path}).headers["Location"] == path
    for other in ("https://elsewhere.example/", ""):
        gone = eraser.post(ERASE, {**form, "back": other})
        assert gone.headers["Location"] == "/admin/sessions_app/session/"


def test_it_asks_first_and_erases_then(staff: Staff) -> None:
    session_full_of(MARK)
    eraser = staff("view_session", "erase_session")
    assert "Erase…" in eraser.get(CHANGE).content.decode()
    asked = eraser.post(ERASE, {"session": "s1"})
    assert f"About {MARK}" in asked.content.decode()
    assert rows_with(MARK)
    done = eraser.post(ERASE, {"session": "s1", "sure": "yes"}, follow=True)
    assert "Sessions whose words are erased: 1." in done.content.decode()
    assert rows_with(MARK) == []
    record = Erasure.objects.get()
    assert (record.actor, record.staff) == ("staff", User.objects.get())
    page = eraser.get(CHANGE).content.decode()
    assert "What was said here was erased" in page
    assert "by staff0" in page
    assert "Erase…" not in page
    everything = eraser.get("/admin/sessions_app/session/?show=all").content.decode()
    assert "<strong>Erased session</strong>" in everything


def test_what_is_asked_about_is_called_as_everywhere_else(staff: Staff) -> None:
    """Two that nobody gave a title are not the same, and what is erased does not come back."""
    for session_id, words in (("s1", "Where is my parcel?"), ("s2", "Cancel my order")):
        write_session([user_says(words)], session_id=session_id)
    asked = staff("view_session", "erase_session").post(ERASE, {"session": ["s1", "s2"]}).content.decode()
    assert "<strong>Where is my parcel?</strong>" in asked
    assert "<strong>Cancel my order</strong>" in asked
    asked = staff("erase_session").post(ERASE, {"session": ["s1", "s2"]}).content.decode()
    assert "parcel" not in asked  # who may not see sessions


def test_what_is_erased_already_takes_nobodys_place_among_the_chosen(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that were chosen are asked about, or none of them."""
    monkeypatch.setattr(erasing, "MOST_AT_ONCE", 2)
    for number in range(4):
        write_session([user_says(f"Words {number}")], session_id=f"s{number}")
    for session_id in ("s2", "s3"):
        assert erase_session(session_id=session_id, by=By(actor=EraseActor.STAFF))
    eraser = staff("view_session", "erase_session")
    choice = {"action": "erase", "_selected_action": [f"s{number}" for number in range(4)]}
    asked = eraser.post("/admin/sessions_app/session/?show=all", choice).content.decode()
    assert re.findall(r"<strong>(Words \d)</strong>", asked) == ["Words 1", "Words 0"]


def test_one_that_cannot_be_erased_does_not_keep_the_others_chosen(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(session_id: str) -> None:
        if session_id == "s1":
            raise RuntimeError("not this one")

    monkeypatch.setattr(hooks, "_session_erased", [refuse])
    for session_id in ("s1", "s2"):
        session_full_of(MARK, session_id)
    client = staff("view_session", "erase_session")
    answer = client.post(ERASE, {"session": ["s1", "s2"], "sure": "1"}, follow=True).content.decode()
    erased = Session.objects.filter(erased_at__isnull=False)
    assert list(erased.values_list("session_id", flat=True)) == ["s2"]
    assert "Sessions whose words are erased: 1." in answer
    assert "1 could not be erased" in answer


def test_the_action_of_the_list_asks_as_well(staff: Staff) -> None:
    for session_id in ("s1", "s2"):
        session_full_of(MARK, session_id)
    eraser = staff("view_session", "erase_session")
    action = {"action": "erase", "_selected_action": ["s1", "s2"]}
    asked = eraser.post("/admin/sessions_app/session/", action).content.decode()
    assert "in 2 sessions?" in asked
    assert Session.objects.filter(erased_at__isnull=True).count() == 2


def test_all_that_a_user_said_is_erased_from_the_list_of_users(staff: Staff) -> None:
    eraser = staff("view_user", "view_session", "erase_session")
    ada = User.objects.create_user("ada")
    for session_id in ("s1", "s2"):
        session_full_of(MARK, session_id, user=ada)
    session_full_of("anothers", "s3")
    action = {"action": "erase", "_selected_action": [str(ada.pk)]}
    asked = eraser.post("/admin/auth/user/", action).content.decode()
    assert "all sessions of 1 user?" in asked
    assert "2 sessions" in asked
    assert rows_with(MARK)
    eraser.post(ERASE, {"user": str(ada.pk), "sure": "yes"})
    assert rows_with(MARK) == []
    assert rows_with("anothers")
    assert "Erase all" not in staff("view_user").get("/admin/auth/user/").content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"session": ""},
        {"session": "\x00"},
        {"session": "none", "sure": "yes"},
        {"user": "x", "sure": "yes"},
        {"user": "9" * 40, "sure": "yes"},
    ],
)
def test_nonsense_erases_nothing(staff: Staff, form: dict[str, Any]) -> None:
    session_full_of(MARK)
    eraser = staff("view_session", "erase_session")
    assert eraser.post(ERASE, form).status_code == 302
    assert eraser.get(ERASE).status_code == 405
    assert rows_with(MARK)

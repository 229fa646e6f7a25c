"""Pictures and files before the staff: in the transcript, on their own, and in what is carried away."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.files.keeping import keep_file, ref_of, use_files
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor
from sessions_app.log.spoken import parts_of, read_part, transcripts
from sessions_app.models import EraseActor, Session, SessionStatus, StoredFile, TranscriptOpening
from sessions_app.privacy.erase import By, erase_session
from sessions_app.review.downloads import form_named
from tests.admin.conftest import signed_in
from tests.admin.rows import done, message, started, write_session
from tests.files.samples import pdf, png

pytestmark = pytest.mark.django_db(transaction=True)

ADA = Visitor(guest_id="a" * 32)


@pytest.fixture
def files() -> list[StoredFile]:
    """A picture and a PDF in a session, the message without a word."""
    rows = [
        keep_file(png(40, 30), name="bike <b>.png", owner=ADA),
        keep_file(pdf(2), name="offer.pdf", owner=ADA),
    ]
    refs = use_files([row.pk for row in rows], session_id="s1", owner=ADA)
    said = ev.UserMessage(item_id="item_u", text="", files=refs)
    write_session(
        [said, started(), message("A bike."), done()],
        session_id="s1",
        status=SessionStatus.ENDED,
        guest_id=ADA.guest_id,
    )
    assert refs == [ref_of(row) for row in rows]
    return rows


@pytest.fixture
def staff() -> Client:
    return signed_in(User.objects.create_superuser("boss"))


def address(file: StoredFile) -> str:
    return f"/admin/sessions_app/session/s1/files/{file.pk}"


def test_a_transcript_shows_them(files: list[StoredFile], staff: Client) -> None:
    html = staff.get("/admin/sessions_app/session/s1/change/").content.decode()
    assert f'<img src="{address(files[0])}"' in html
    assert f'href="{address(files[1])}"' in html
    assert "bike b.png" in html
    assert "2 pages" in html


def test_they_are_shown_whatever_the_sessions_id_is(staff: Client) -> None:
    """A client may choose one that the admin's addresses would read as another."""
    row = keep_file(png(40, 30), name="bike.png", owner=ADA)
    refs = use_files([row.pk], session_id="order_2211", owner=ADA)
    write_session([ev.UserMessage(item_id="item_u", text="", files=refs)], session_id="order_2211")
    page = "/admin/sessions_app/session/order_5F2211/"
    (shown,) = re.findall(r'<img src="([^"]+/files/[^"]+)"', staff.get(f"{page}change/").content.decode())
    (step,) = staff.get(f"{page}replay.json").json()["steps"]
    for url in (shown, step["files"][0]["url"]):
        assert staff.get(url).status_code == 200


def test_staff_open_one_and_it_is_written_down(files: list[StoredFile], staff: Client) -> None:
    response = staff.get(address(files[0]))
    assert (response.status_code, response.content) == (200, png(40, 30))
    assert "sandbox" in response["Content-Security-Policy"]
    assert TranscriptOpening.objects.get().session_id == "s1"


def test_one_of_another_session_or_erased_is_not_there(files: list[StoredFile], staff: Client) -> None:
    write_session([], session_id="s2", status=SessionStatus.ENDED)
    assert staff.get(address(files[0]).replace("/s1/", "/s2/")).status_code == 404
    erase_session(session_id="s1", by=By(actor=EraseActor.STAFF))
    assert staff.get(address(files[0])).status_code == 404


def test_a_session_without_a_word_is_called_by_its_files(files: list[StoredFile]) -> None:
    assert Session.objects.get().heading == "bike b.png, offer.pdf"


@pytest.mark.parametrize("form", ["md", "json", "ndjson", "jsonl"])
def test_what_is_carried_away_names_them(files: list[StoredFile], form: str) -> None:
    text = "".join(form_named(form).one(Session.objects.get()))
    assert "bike b.png" in text
    assert "offer.pdf" in text


def test_a_summary_is_told_of_them(files: list[StoredFile]) -> None:
    line = "User:  [sent: bike b.png, offer.pdf]"
    assert (transcripts(["s1"])["s1"] or "").splitlines()[0] == line
    [part] = parts_of(session_id="s1", max_chars=1000, most=3)
    assert not isinstance(part, int)
    assert read_part(part).splitlines()[0] == line

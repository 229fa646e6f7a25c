"""``/api/files``: sending, looking at and throwing away, by whom, and how a browser is given a file."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from identity.guests import GUEST_COOKIE, sign_guest_id
from identity.keys import make_key, make_secret
from identity.models import Scope
from sessions_app.files.keeping import use_files
from sessions_app.files.kinds import MediaType
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import EraseActor, SessionStatus, StoredFile
from sessions_app.privacy.erase import By, erase_session
from tests.admin.rows import user_says, write_session
from tests.files.samples import WHOLE, png

pytestmark = pytest.mark.django_db(transaction=True)

G1, G2 = "a" * 32, "b" * 32


def guest(guest_id: str = G1, **options: Any) -> Client:
    client = Client(**options)
    client.cookies[GUEST_COOKIE] = sign_guest_id(guest_id)
    return client


def by_key(value: str) -> Client:
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {value}"})


def send(
    client: Client, data: bytes | None = None, name: str = "bike.png", query: str = "", **more: Any
) -> Any:
    file = SimpleUploadedFile(name, png() if data is None else data, content_type="text/html")
    return client.post(f"/api/files{query}", {"file": file}, **more)


def sent(client: Client, data: bytes | None = None, name: str = "bike.png") -> str:
    response = send(client, data, name)
    assert response.status_code == 201, response.content
    return str(response.json()["id"])


def told(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def in_session(file_id: str, session_id: str = "s1", guest_id: str = G1) -> None:
    write_session([user_says("Hi")], session_id=session_id, status=SessionStatus.ENDED, guest_id=guest_id)
    use_files([file_id], session_id=session_id, owner=Visitor(guest_id=guest_id))


def test_a_picture_is_sent_and_comes_back() -> None:
    client = guest()
    response = send(client)
    file = response.json()
    assert response.status_code == 201
    assert file == {
        "id": file["id"],
        "name": "bike.png",
        "media_type": "image/png",
        "bytes": len(png()),
        "width": 4,
        "height": 3,
        "pages": None,
        "url": f"/api/files/{file['id']}",
    }
    got = client.get(file["url"])
    assert (got.status_code, got.content) == (200, png())


@pytest.mark.parametrize("media_type", WHOLE)
def test_a_browser_is_given_no_page_no_drawing_and_no_program(media_type: MediaType) -> None:
    client = guest()
    response = client.get(f"/api/files/{sent(client, WHOLE[media_type], 'x.html')}")
    in_place = media_type.startswith("image/")
    assert response["Content-Type"].partition(";")[0] == media_type
    assert response["Content-Disposition"].startswith("inline" if in_place else "attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    "markup", [b"<script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"]
)
def test_markup_is_text_whatever_it_is_called(markup: bytes) -> None:
    client = guest()
    response = client.get(f"/api/files/{sent(client, markup, 'logo.svg')}")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="logo.svg"'


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"PK\x03\x04", (415, "file_type_refused")),
        (b"", (415, "file_type_refused")),
        (png()[:-6], (422, "file_unreadable")),
        (png(padding=200_000), (413, "file_too_large")),
    ],
)
def test_what_is_no_such_file_is_refused_by_name(
    data: bytes, refused: tuple[int, str], settings: Any
) -> None:
    settings.SESSIONS_MAX_FILE_BYTES = 100_000
    assert told(send(guest(), data)) == refused
    assert not StoredFile.objects.exists()


def test_a_form_without_the_file_is_refused() -> None:
    assert told(guest().post("/api/files", {"other": "x"})) == (400, "missing_required_parameter")
    assert told(guest().post("/api/files", b"{}", content_type="application/json"))[0] == 400


def test_files_can_be_switched_off(settings: Any) -> None:
    settings.SESSIONS_MAX_FILES_PER_MESSAGE = 0
    assert told(send(guest())) == (415, "file_type_refused")


def test_nobody_in_particular_sends_nothing() -> None:
    assert told(send(Client())) == (401, "invalid_credentials")


def test_another_ones_file_cannot_be_told_from_none() -> None:
    unused, used = sent(guest()), sent(guest())
    in_session(used)
    for client in (guest(G2), Client()):
        for file_id in (unused, used, "file_" + "0" * 24):
            answer = client.get(f"/api/files/{file_id}")
            expected = 401 if client.cookies.get(GUEST_COOKIE) is None else 404
            assert answer.status_code == expected
            assert client.get(f"/api/files/{file_id}/link").status_code == expected
            assert client.delete(f"/api/files/{file_id}").status_code == expected
    assert guest().get(f"/api/files/{used}").status_code == 200


def test_a_page_of_somebody_elses_sends_nothing_in_my_name() -> None:
    client = guest(enforce_csrf_checks=True)
    assert send(client).status_code == 403
    client.cookies["csrftoken"] = "x" * 32
    assert send(client, headers={"X-CSRFToken": "x" * 32}).status_code == 201


def test_keys_see_what_they_may() -> None:
    shop = User.objects.create_user("shop")
    key = make_key(user=shop, label="k", scope=Scope.CHAT).value
    reading = make_key(user=shop, label="r", scope=Scope.READ).value
    row = make_key(user=shop, label="m", scope=Scope.CHAT).row
    one = make_secret(key=row, external_user_id="c1", seconds=600, session={}).value
    other = make_secret(key=row, external_user_id="c2", seconds=600, session={}).value
    file_id = sent(by_key(one))
    assert by_key(one).get(f"/api/files/{file_id}").status_code == 200
    assert by_key(key).get(f"/api/files/{file_id}").status_code == 200
    assert by_key(other).get(f"/api/files/{file_id}").status_code == 404
    assert told(send(by_key(reading))) == (403, "read_only_key")
    assert by_key(reading).get(f"/api/files/{file_id}").status_code == 200
    assert by_key(key).delete(f"/api/files/{sent(by_key(key))}").status_code == 204


def test_a_link_works_without_a_cookie_and_for_that_file_alone() -> None:
    client = guest()
    file_id, other = sent(client), sent(client)
    url = client.get(f"/api/files/{file_id}/link").json()["url"]
    assert Client().get(url).content == png()
    assert Client().get(url.replace(file_id, other)).status_code == 404
    assert Client().get(url[:-1] + ("A" if url[-1] != "A" else "B")).status_code == 404
    assert Client().delete(url).status_code == 401


def test_a_link_ends_by_itself_and_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    client = guest()
    file_id = sent(client)
    url = client.get(f"/api/files/{file_id}/link").json()["url"]
    later = timezone.now() + timedelta(seconds=700)
    with monkeypatch.context() as clock:
        clock.setattr("django.core.signing.time.time", later.timestamp)
        assert told(Client().get(url)) == (404, "file_not_found")
    client.delete(f"/api/files/{file_id}")
    assert told(Client().get(url)) == (404, "file_not_found")


def test_one_that_is_in_no_message_is_thrown_away_and_no_other() -> None:
    client = guest()
    unused, used = sent(client), sent(client)
    in_session(used)
    assert client.delete(f"/api/files/{unused}").status_code == 204
    assert told(client.delete(f"/api/files/{unused}")) == (404, "file_not_found")
    assert told(client.delete(f"/api/files/{used}")) == (404, "file_not_found")
    assert client.get(f"/api/files/{used}").status_code == 200


def test_with_its_session_it_is_gone() -> None:
    client = guest()
    file_id = sent(client)
    in_session(file_id)
    erase_session(session_id="s1", by=By(actor=EraseActor.OWNER))
    assert told(client.get(f"/api/files/{file_id}")) == (404, "file_not_found")


def test_a_day_has_its_bound_for_each_and_for_all(settings: Any) -> None:
    size = len(png())
    settings.SESSIONS_FILE_BYTES_PER_DAY = 2 * size
    settings.SESSIONS_ALL_FILE_BYTES_PER_DAY = 3 * size
    assert [send(guest()).status_code for _ in range(3)] == [201, 201, 429]
    assert told(send(guest())) == (429, "rate_limit_exceeded")
    assert send(guest(G2)).status_code == 201
    assert send(guest("c" * 32)).status_code == 429


def test_all_guests_of_one_address_share_a_bound(settings: Any) -> None:
    settings.SESSIONS_FILE_BYTES_PER_DAY = len(png())
    answers = [send(guest(f"{number:032x}")).status_code for number in range(11)]
    assert answers == [201] * 10 + [429]


def test_the_body_has_room_for_the_largest_file(settings: Any) -> None:
    from realtime_ai.front.bounds import body_limit

    assert body_limit("/api/files") > settings.SESSIONS_MAX_FILE_BYTES
    assert body_limit("/api/sessions") < body_limit("/api/files")


def test_what_is_sent_is_told_as_json() -> None:
    assert json.loads(send(guest(), WHOLE[MediaType.PDF], "a.pdf").content)["pages"] == 2


ELSEWHERE = "https://shop.example.com"


def test_a_page_of_another_origin_sends_files_by_its_token(settings: Any) -> None:
    settings.CHAT_ALLOWED_ORIGINS = (ELSEWHERE,)
    row = make_key(user=User.objects.create_user("shop"), label="m", scope=Scope.CHAT).row
    client = by_key(make_secret(key=row, external_user_id="c1", seconds=600, session={}).value)
    asked = client.options(
        "/api/files", headers={"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    )
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == ELSEWHERE
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    response = send(client, headers={"Origin": ELSEWHERE})
    assert response.status_code == 201
    assert response.headers["Access-Control-Allow-Origin"] == ELSEWHERE
    assert "Access-Control-Allow-Credentials" not in response.headers
    address = f"/api/files/{response.json()['id']}"
    link = client.get(f"{address}/link", headers={"Origin": ELSEWHERE})
    gone = client.delete(address, headers={"Origin": ELSEWHERE})
    assert [one.headers["Access-Control-Allow-Origin"] for one in (link, gone)] == [ELSEWHERE] * 2


def test_others_are_told_nothing_that_their_pages_could_read(settings: Any) -> None:
    settings.CHAT_ALLOWED_ORIGINS = (ELSEWHERE,)
    client = by_key(make_key(user=User.objects.create_user("shop"), label="k").value)
    origin = {"Origin": "https://evil.example.com"}
    for answer in (client.options("/api/files", headers=origin), send(client, headers=origin)):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]

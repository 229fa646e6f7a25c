"""Pictures and files through a whole server: sent over HTTP or as a data URL, said on the socket, shown to the model."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from identity.guests import GUEST_COOKIE, sign_guest_id
from sessions_app.files.keeping import use_files
from sessions_app.files.kinds import MediaType
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import EraseActor, SessionEvent, StoredFile
from sessions_app.postgres.threads import in_db_thread
from sessions_app.privacy.erase import By, erase_session
from tests.fakes.gemini_script import Chunk, Reply, text
from tests.fakes.gemini_server import GeminiServer
from tests.files.samples import WHOLE, gif, pdf, png
from tests.support.server import ServerProcess
from tests.support.sockets import Frame, Realtime, realtime

from .conftest import StartServer
from .shop import StartShop, gemini, ledger, start_shop

__all__ = ["gemini", "ledger", "start_shop"]

ADA, BOB = "a" * 32, "b" * 32
CSRF = "x" * 32
STAFF = By(actor=EraseActor.STAFF)


def cookie(guest_id: str) -> str:
    return f"{GUEST_COOKIE}={sign_guest_id(guest_id)}; csrftoken={CSRF}"


def send_file(server: ServerProcess, data: bytes, name: str, guest_id: str = ADA) -> Frame:
    """As a browser's form does."""
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    request = urllib.request.Request(
        f"{server.url}/api/files",
        data=head + data + b"\r\n--b--\r\n",
        headers={
            "Content-Type": "multipart/form-data; boundary=b",
            "Cookie": cookie(guest_id),
            "X-CSRFToken": CSRF,
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        found: Frame = json.load(response)
    return found


def get_file(server: ServerProcess, file_id: str, guest_id: str = ADA) -> bytes:
    request = urllib.request.Request(
        f"{server.url}/api/files/{file_id}", headers={"Cookie": cookie(guest_id)}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        data: bytes = response.read()
    return data


def by(server: ServerProcess, guest_id: str = ADA) -> dict[str, Any]:
    """A browser names its page's origin."""
    return {"additional_headers": {"Cookie": cookie(guest_id)}, "origin": server.url}


def image(file_id: str) -> Frame:
    return {"type": "input_image", "file_id": file_id}


def words(said: str) -> Frame:
    return {"type": "input_text", "text": said}


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


async def put(client: Realtime, *parts: Frame, **item: Any) -> Frame:
    message = {"type": "message", "role": "user", "content": list(parts), **item}
    await client.send(type="conversation.item.create", item=message)
    while (frame := await client.recv())["type"] not in ("conversation.item.done", "error"):
        pass
    return frame


async def answered(client: Realtime) -> str:
    await client.send(type="response.create", response={})
    done = await client.until("response.done")
    return str(done["response"]["output"][0]["content"][0]["text"])


def code(frame: Frame) -> str:
    assert frame["type"] == "error", frame
    return str(frame["error"]["code"])


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path) -> ServerProcess:
    return start_server(VAR_DIR=str(tmp_path), MAX_FILE_BYTES="20000")


def payloads() -> list[str]:
    return [json.dumps(one) for one in SessionEvent.objects.values_list("payload", flat=True)]


async def test_a_picture_is_said_shown_and_kept(server: ServerProcess) -> None:
    sent = send_file(server, png(40, 30), "bike.png")
    async with realtime(server.ws_url, **by(server)) as client:
        item = (await put(client, words("What is this?"), image(sent["id"])))["item"]
        assert item["content"] == [
            {"type": "input_text", "text": "What is this?"},
            {
                "type": "input_image",
                "file_id": sent["id"],
                "x_name": "bike.png",
                "x_media_type": "image/png",
                "x_bytes": len(png(40, 30)),
                "x_width": 40,
                "x_height": 30,
            },
        ]
        assert "**bike.png** (image/png" in await answered(client)
        await client.send(type="conversation.item.retrieve", item_id=item["id"])
        assert (await client.until("conversation.item.retrieved"))["item"]["content"] == item["content"]
        place = next(frame for frame in client.frames if frame["type"] == "conversation.item.added")
        assert get_file(server, sent["id"]) == png(40, 30)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get_file(server, sent["id"], BOB)
    later = f"/ws/session?session_id={client.session_id}&history=recent"
    async with realtime(server.ws_url, later, **by(server)) as again:
        assert (await again.until("conversation.item.added"))["item"] == place["item"]


async def test_small_ones_come_as_data_urls_and_the_log_holds_no_bytes(server: ServerProcess) -> None:
    picture, paper = png(), pdf(1)
    async with realtime(server.ws_url, **by(server)) as client:
        parts = (
            {"type": "input_image", "image_url": data_url(picture, "text/html"), "detail": "low"},
            {"type": "input_file", "file_data": data_url(paper), "filename": "../offer.pdf"},
        )
        content = (await put(client, *parts))["item"]["content"]
        assert [part["type"] for part in content] == ["input_image", "input_file"]
        assert (content[1]["filename"], content[1]["x_media_type"]) == ("offer.pdf", "application/pdf")
        assert [get_file(server, part["file_id"]) for part in content] == [picture, paper]
        answer = await answered(client)
        assert "offer.pdf" in answer
    logged = await in_db_thread(payloads)
    assert not any(base64.b64encode(one).decode()[:40] in row for row in logged for one in (picture, paper))


async def test_what_cannot_be_is_refused_by_name_and_the_session_goes_on(server: ServerProcess) -> None:
    mine = send_file(server, png(), "a.png")["id"]
    theirs = send_file(server, png(), "b.png", BOB)["id"]
    async with realtime(server.ws_url, **by(server)) as client:
        assert code(await put(client, image(theirs))) == "file_not_found"
        assert code(await put(client, image("file_" + "0" * 24))) == "file_not_found"
        assert code(await put(client, image("x.png"))) == "invalid_event"
        assert code(await put(client, *[image(mine)] * 6)) == "too_many_files"
        assert code(await put(client, {"type": "input_image"})) == "invalid_event"
        both = {"type": "input_image", "file_id": mine, "image_url": data_url(png())}
        assert code(await put(client, both)) == "invalid_event"
        elsewhere = {"type": "input_image", "image_url": "https://example.com/a.png"}
        assert code(await put(client, elsewhere)) == "unsupported_content"
        assert code(await put(client, image(mine), role="assistant")) == "unsupported_content"
        assert code(await put(client, image(mine), role="system")) == "unsupported_content"
        broken = {"type": "input_image", "image_url": "data:image/png;base64,!!!"}
        assert code(await put(client, broken)) == "invalid_event"
        zip_file = {"type": "input_file", "file_data": data_url(b"PK\x03\x04")}
        assert code(await put(client, zip_file)) == "file_type_refused"
        large = {"type": "input_file", "file_data": data_url(b"x" * 20_001)}
        assert code(await put(client, large)) == "file_too_large"
        assert code(await put(client, words("  "))) == "empty_message"
        await client.send(
            type="response.create",
            response={"input": [{"type": "message", "role": "user", "content": [image(mine)]}]},
        )
        assert code(await client.until("error")) == "unsupported_content"
        assert (await put(client, image(mine)))["type"] == "conversation.item.done"
    async with realtime(server.ws_url, **by(server)) as another:
        assert code(await put(another, image(mine))) == "file_not_found"


def says(said: str) -> Reply:
    return Reply((Chunk((text(said),)), Chunk(finish="STOP")))


def inline(gemini: GeminiServer) -> list[str]:
    """What the model was sent last, in base64."""
    contents = gemini.requests[-1]["contents"]
    return [
        one["inlineData"]["data"] for content in contents for one in content["parts"] if "inlineData" in one
    ]


async def test_the_model_sees_it_in_every_turn_and_after_a_restart(
    start_shop: StartShop, gemini: GeminiServer, tmp_path: Path
) -> None:
    gemini.then(says("A bike."), says("Red."), says("Still red."))
    expected = [base64.b64encode(png()).decode()]
    server = start_shop(VAR_DIR=str(tmp_path))
    sent = send_file(server, png(), "bike.png")["id"]
    async with realtime(server.ws_url, **by(server)) as client:
        await put(client, words("What is it?"), image(sent))
        assert await answered(client) == "A bike."
        assert inline(gemini) == expected
        await put(client, words("Its colour?"))
        await answered(client)
        assert inline(gemini) == expected
    server.stop()
    another = start_shop(VAR_DIR=str(tmp_path))
    async with realtime(
        another.ws_url, f"/ws/session?session_id={client.session_id}", **by(another)
    ) as client:
        await put(client, words("Are you sure?"))
        await answered(client)
        assert inline(gemini) == expected


async def test_a_kind_that_the_model_cannot_read_is_refused_before_the_turn(
    start_shop: StartShop, gemini: GeminiServer, tmp_path: Path
) -> None:
    server = start_shop(VAR_DIR=str(tmp_path))
    moving = send_file(server, gif(), "a.gif")["id"]
    still = send_file(server, png(), "a.png")["id"]
    async with realtime(server.ws_url, **by(server)) as client:
        refused = await put(client, words("Look"), image(moving))
        assert code(refused) == "model_cannot_read_file"
        assert "'a.gif' (image/gif" in refused["error"]["message"]
        gemini.then(says("Fine."))
        await put(client, words("Look"), image(still))
        assert await answered(client) == "Fine."
    assert await in_db_thread(lambda: StoredFile.objects.get(pk=moving).session_id) == ""


async def test_a_file_that_is_gone_does_not_end_the_conversation(
    start_shop: StartShop, gemini: GeminiServer, tmp_path: Path
) -> None:
    gemini.then(says("I cannot see it."))
    server = start_shop(VAR_DIR=str(tmp_path))
    sent = send_file(server, png(), "bike.png")["id"]
    async with realtime(server.ws_url, **by(server)) as client:
        await put(client, words("What is it?"), image(sent))
        for stored in (tmp_path / "files").rglob("*"):
            if stored.is_file():
                stored.unlink()
        assert await answered(client) == "I cannot see it."
    parts = gemini.requests[-1]["contents"][-1]["parts"]
    assert any("bike.png" in part.get("text", "") and "cannot be shown" in part["text"] for part in parts)


async def test_what_is_erased_is_shown_to_nobody_and_leaves_the_storage(
    server: ServerProcess, tmp_path: Path, settings: Any
) -> None:
    from sessions_app.files.keeping import delete_gone

    settings.STORAGES = {
        **settings.STORAGES,
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "files")},
        },
    }
    sent = send_file(server, WHOLE[MediaType.JPEG], "me.jpg")["id"]
    async with realtime(server.ws_url, **by(server)) as client:
        await put(client, words("Me"), image(sent))
    await in_db_thread(lambda: erase_session(session_id=client.session_id, by=STAFF))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get_file(server, sent)
    assert "me.jpg" not in "".join(await in_db_thread(payloads))
    await in_db_thread(delete_gone)
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    refused = Visitor(guest_id=ADA)
    with pytest.raises(Exception, match="no such file"):
        await in_db_thread(lambda: use_files([sent], session_id=client.session_id, owner=refused))

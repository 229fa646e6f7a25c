"""Pictures and files on Responses (over HTTP and the socket), Chat Completions, and in a conversation: the model is shown them."""

import base64
from typing import Any

import openai
import pytest

from sessions_app.models import StoredFile
from sessions_app.postgres.threads import in_db_thread
from tests.files.samples import pdf, png
from tests.responses.conftest import Client
from tests.responses.sdk import checked_response
from tests.responses.socket_sdk import until_over
from tests.support.server import ServerProcess

PICTURE = png(width=40, height=30)


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def message(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": [{"type": "input_text", "text": "Look at this:"}, *parts]}


SENT = [
    ({"type": "input_image", "image_url": data_url(PICTURE), "detail": "auto"}, "image/png", "40 × 30"),
    (
        {
            "type": "input_file",
            "filename": "plan.pdf",
            "file_data": data_url(pdf(), "application/pdf"),
        },
        "plan.pdf",
        "application/pdf",
    ),
    (
        {"type": "input_file", "filename": "plan.pdf", "file_data": base64.b64encode(pdf()).decode()},
        "plan.pdf",
        "application/pdf",
    ),
]


@pytest.mark.parametrize(("part", "name", "about"), SENT, ids=["picture", "pdf", "bare base64"])
async def test_one_that_comes_with_the_message_is_shown_to_the_model(
    server: ServerProcess, client_of: Client, part: dict[str, Any], name: str, about: str
) -> None:
    client = client_of(server)
    answer = checked_response(await client.responses.create(model="demo", input=[message(part)]))
    assert name in answer.output_text
    assert about in answer.output_text
    (said,) = (await client.responses.input_items.list(answer.id)).data
    words, file = said.content
    assert (words.text, file.type) == ("Look at this:", part["type"])
    assert (await in_db_thread(StoredFile.objects.get, pk=file.file_id)).media_type in (
        "image/png",
        "application/pdf",
    )


async def test_over_the_socket_and_into_an_answer(server: ServerProcess, client_of: Client) -> None:
    picture = {"type": "input_image", "image_url": data_url(PICTURE)}
    async with client_of(server).responses.connect() as socket:
        await socket.response.create(model="demo", input=[message(picture)])
        assert "40 × 30" in (await until_over(socket))[-1].response.output_text
        await socket.response.create(model="demo", input="count to 2000")
        told = await until_over(socket, until=lambda event: event.type == "response.output_text.delta")
        await socket.send(
            {
                "type": "response.steer",
                "previous_response_id": told[0].response.id,
                "input": [{"type": "message", **message(picture)}],
            }
        )
        await until_over(socket)
        assert "40 × 30" in (await until_over(socket))[-1].response.output_text


async def test_one_that_was_sent_before_is_named_and_goes_on_into_other_conversations(
    server: ServerProcess, client_of: Client, key: str
) -> None:
    client = client_of(server, key)
    file = await client.files.create(file=("bike.png", PICTURE, "image/png"), purpose="vision")
    assert (file.object, file.bytes, file.filename) == ("file", len(PICTURE), "bike.png")
    part = {"type": "input_image", "file_id": file.id}
    first = await client.responses.create(model="demo", input=[message(part)])
    assert "bike.png" in first.output_text
    elsewhere = await client.responses.create(model="demo", input=[message(part)])
    assert "bike.png" in elsewhere.output_text
    assert elsewhere.conversation.id != first.conversation.id
    kept = await in_db_thread(lambda: sorted(StoredFile.objects.values_list("session_id", flat=True)))
    assert kept == sorted(one.conversation.id.removeprefix("conv_") for one in (first, elsewhere))


async def test_another_answer_to_an_earlier_response_has_its_files(
    server: ServerProcess, client_of: Client
) -> None:
    client = client_of(server)
    one = await client.responses.create(
        model="demo", input=[message({"type": "input_image", "image_url": data_url(PICTURE)})]
    )
    await client.responses.create(model="demo", input="count to 3", previous_response_id=one.id)
    other = await client.responses.create(model="demo", input="count to 4", previous_response_id=one.id)
    assert other.output_text == "1, 2, 3, 4."
    assert await in_db_thread(StoredFile.objects.values("session_id").distinct().count) == 2


async def test_nobody_elses_is_shown(server: ServerProcess, client_of: Client, key: str) -> None:
    file = await client_of(server, key).files.create(file=("a.png", PICTURE), purpose="vision")
    with pytest.raises(openai.NotFoundError) as refused:
        await client_of(server).responses.create(
            model="demo", input=[message({"type": "input_image", "file_id": file.id})]
        )
    assert refused.value.code == "file_not_found"


REFUSED = [
    ({"type": "input_image", "image_url": "https://example.com/a.png"}, 400, "unsupported_content"),
    ({"type": "input_file", "file_url": "https://example.com/a.pdf"}, 400, "unsupported_content"),
    ({"type": "input_image", "file_id": "file-abc"}, 400, "invalid_event"),
    ({"type": "input_image"}, 400, "invalid_event"),
    ({"type": "input_image", "image_url": "data:image/png,abc"}, 400, "invalid_event"),
    ({"type": "input_image", "image_url": data_url(b"\x00\x01")}, 415, "file_type_refused"),
    ({"type": "input_image", "image_url": data_url(PICTURE[:40])}, 422, "file_unreadable"),
    ({"type": "input_audio", "input_audio": {}}, 400, "unsupported_content"),
]


@pytest.mark.parametrize(("part", "status", "code"), REFUSED, ids=lambda one: str(one)[:40])
async def test_what_cannot_be_taken_is_refused_by_its_name(
    server: ServerProcess, client_of: Client, part: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        await client_of(server).responses.create(model="demo", input=[message(part)])
    assert (refused.value.status_code, refused.value.code) == (status, code)


async def test_only_the_user_sends_them(server: ServerProcess, client_of: Client) -> None:
    part = {"type": "input_image", "image_url": data_url(PICTURE)}
    with pytest.raises(openai.BadRequestError, match="text alone can stand here"):
        await client_of(server).responses.create(model="demo", input=[message(part, role="system")])


async def test_a_model_that_cannot_see_says_so_and_nothing_is_begun(
    start_server: Any, client_of: Client
) -> None:
    client = client_of(start_server(MODEL_FILES='{"demo": []}'))
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(
            model="demo", input=[message({"type": "input_image", "image_url": data_url(PICTURE)})]
        )
    assert refused.value.code == "model_cannot_read_file"


async def test_chat_completions(server: ServerProcess, client_of: Client) -> None:
    answer = await client_of(server).chat.completions.create(
        model="demo",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look:"},
                    {"type": "image_url", "image_url": {"url": data_url(PICTURE), "detail": "low"}},
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": data_url(pdf(), "application/pdf")},
                    },
                ],
            }
        ],
    )
    said = str(answer.choices[0].message.content)
    assert "40 × 30" in said
    assert "a.pdf" in said


async def test_a_conversation_takes_them(server: ServerProcess, client_of: Client, key: str) -> None:
    client = client_of(server, key)
    conversation = await client.conversations.create(
        items=[{"type": "message", **message({"type": "input_image", "image_url": data_url(PICTURE)})}]
    )
    (item,) = (await client.conversations.items.list(conversation.id)).data
    assert [part.type for part in item.content] == ["input_text", "input_image"]

"""Pictures and files reach each vendor in its own form; what its model cannot read stands in words."""

import base64
from contextlib import aclosing

import pytest
from pytest_django import Settings

from chat.errors import ModelBadRequest, ProviderError
from chat.llm.catalog import Candidate
from chat.llm.provider import AssistantText, FileItem, HistoryItem, Provider, UserText
from chat.llm.reading import reads
from chat.llm.route import FailedAttempt, Route
from sessions_app.files.kinds import MediaType
from tests.contract.asking import HELLO, ask, events, sent_for
from tests.contract.vendor import Fail, Failure, Vendor
from tests.files.samples import WHOLE, png
from tests.providers.rounds import joined


def item(media_type: MediaType, data: bytes | None = None, **more: object) -> FileItem:
    given = WHOLE[media_type] if data is None else data
    content = given.decode() if media_type is MediaType.TEXT else base64.b64encode(given).decode()
    named = {"id": f"file_{media_type}", "name": f"a.{media_type.name.lower()}", "size": len(given)}
    return FileItem(**{**named, "media_type": media_type, "content": content, **more})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def models_that_see(vendor: Vendor, settings: Settings) -> None:
    """Of the servers of one's own nobody knows what their models read."""
    settings.CHAT_MODEL_FILES = {vendor.spec: ("image", "pdf")}


@pytest.mark.parametrize("media_type", [one for one in MediaType if one is not MediaType.TEXT])
async def test_each_kind_that_the_model_reads_arrives_whole(
    vendor: Vendor, provider: Provider, media_type: MediaType
) -> None:
    file = item(media_type)
    sent = await sent_for(vendor, provider, UserText("item_1", "What is this?", [file]))
    files, words = sent.of("file"), " ".join(entry.text for entry in sent.of("user"))
    if reads(vendor.spec).takes(file):
        assert [(one.name, one.text) for one in files] == [(media_type, file.content)]
        assert words == "What is this?"
    else:
        assert files == []
        assert file.name in words
        assert "cannot read" in words
        assert "What is this?" in words


async def test_files_alone_are_a_message(vendor: Vendor, provider: Provider) -> None:
    sent = await sent_for(vendor, provider, UserText("item_1", "", [item(MediaType.PNG)]))
    assert len(sent.of("file")) == 1
    assert sent.of("user") == []


async def test_text_is_words_to_every_model(vendor: Vendor, provider: Provider) -> None:
    sent = await sent_for(vendor, provider, UserText("item_1", "Who wrote it?", [item(MediaType.TEXT)]))
    [words] = [entry.text for entry in sent.of("user")]
    assert "The file a.text:" in words
    assert "Grüße,\tAda\nline two" in words
    assert words.startswith("Who wrote it?")


async def test_they_stay_where_they_were_said(vendor: Vendor, provider: Provider) -> None:
    history: list[HistoryItem] = [
        UserText("item_1", "First", [item(MediaType.PNG)]),
        AssistantText("item_2", "A bike."),
        UserText("item_3", "Second", [item(MediaType.JPEG)]),
    ]
    sent = await sent_for(vendor, provider, *history)
    kinds = [entry.kind for entry in sent.entries]
    assert kinds == ["file", "user", "assistant", "file", "user"]


async def test_the_newest_have_the_room(vendor: Vendor, provider: Provider) -> None:
    """Of more than one request holds the oldest are left out, and the model is told so."""
    most = reads(vendor.spec).most
    history = [
        UserText(f"item_{n}", f"Number {n}", [item(MediaType.PNG, png(n + 1, 1))]) for n in range(most + 1)
    ]
    sent = await sent_for(vendor, provider, *history)
    assert [one.text for one in sent.of("file")] == [file.files[0].content for file in history[1:]]
    words = " ".join(entry.text for entry in sent.of("user"))
    assert words.count("left out to save room") == 1


async def test_one_that_cannot_be_read_now_does_not_end_the_conversation(
    vendor: Vendor, provider: Provider
) -> None:
    sent = await sent_for(vendor, provider, UserText("item_1", "And?", [item(MediaType.PNG, content=None)]))
    assert sent.of("file") == []
    assert "cannot be shown" in " ".join(entry.text for entry in sent.of("user"))


async def test_a_model_that_reads_words_alone_gets_words(
    vendor: Vendor, provider: Provider, settings: Settings
) -> None:
    settings.CHAT_MODEL_FILES = {vendor.spec: ()}
    vendor.then(HELLO)
    await events(provider, ask(vendor, UserText("item_1", "And?", [item(MediaType.PNG)])))
    assert vendor.sent[-1].of("file") == []


async def test_one_that_the_vendor_cannot_read_does_not_end_the_conversation(
    vendor: Vendor, provider: Provider
) -> None:
    """A photo that broke off behind a whole head, say. It is asked once more without, and the model is told so."""
    vendor.tolerant = True
    wrong = item(MediaType.PNG, b"no picture at all")
    asked = ask(
        vendor, UserText("item_1", "What is this?", [wrong]), AssistantText("item_2", "?"), "And now?"
    )
    told: list[FailedAttempt] = []
    route = Route([Candidate(vendor.spec, provider, vendor.model)], on_failure=told.append)
    vendor.then(HELLO, HELLO)
    for _ in range(2):
        async with aclosing(route.stream(asked)) as stream:
            assert joined([event async for event in stream]) == "Hello"
        assert "cannot be shown" in " ".join(entry.text for entry in vendor.sent[-1].of("user"))
    assert [(one.error.code, one.next_spec) for one in told] == [("model_bad_request", vendor.spec)]
    assert len(vendor.refusals) == 1


async def test_a_refusal_that_was_not_about_the_file_is_told_as_it_is(
    vendor: Vendor, provider: Provider
) -> None:
    """Asked once without, not for ever."""
    refusal = Fail(Failure.BAD_REQUEST, message="Could not process image")
    vendor.then(refusal, refusal, HELLO)
    route = Route([Candidate(vendor.spec, provider, vendor.model)])
    with pytest.raises(ModelBadRequest, match="did not understand"):
        async with aclosing(
            route.stream(ask(vendor, UserText("item_1", "?", [item(MediaType.PNG)])))
        ) as stream:
            assert [event async for event in stream] == []
    assert [len(sent.of("file")) for sent in vendor.sent] == [1, 0]


async def test_the_strict_server_looks_into_them(vendor: Vendor, provider: Provider) -> None:
    """Else the tests above would say nothing."""
    vendor.tolerant = True
    wrong = item(MediaType.PNG, b"no picture at all")
    with pytest.raises(ProviderError):
        await sent_for(vendor, provider, UserText("item_1", "?", [wrong]))
    assert len(vendor.refusals) == 1
    assert "image" in vendor.refusals[0]

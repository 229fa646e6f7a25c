"""Which models read what, what files count, and how their bytes come into a request."""

import base64
from typing import Any

import pytest

from chat.errors import ModelCannotRead
from chat.llm.demo.provider import DemoProvider
from chat.llm.prices import file_tokens, items_bytes
from chat.llm.provider import TEXT, FileItem, HistoryItem, ModelRequest, UserText
from chat.llm.reading import MOST_FILES, TEXT_CHARS, readable, reads
from chat.session import attachments
from chat.session.accept import check_readable
from chat.session.attachments import with_contents
from chat.session.compaction import material
from sessions_app.files import storage
from sessions_app.files.keeping import forget_files, keep_file
from sessions_app.log.events import FileRef
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import StoredFile
from sessions_app.postgres.threads import in_db_thread
from tests.files.samples import pdf, png
from tests.providers.rounds import text_of

ADA = Visitor(guest_id="a" * 32)
MIB = 1024 * 1024


def ref(media_type: str = "image/png", size: int = 1000, **more: Any) -> FileRef:
    return FileRef(id="file_1", name="a", media_type=media_type, size=size, **more)


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ("demo", "png jpeg webp gif pdf"),
        ("gemini:gemini-3.8-flash", "png jpeg webp pdf"),
        ("openai:gpt-6.1-terra", "png jpeg webp gif pdf"),
        ("openai:gpt-3.5-turbo", ""),
        ("anthropic:claude-sonnet-5-5", "png jpeg webp gif pdf"),
        ("groq:openai/gpt-oss-120b", ""),
        ("groq:meta-llama/llama-4-scout-17b", "png jpeg webp"),
        ("compatible:llama3:8b", ""),
        ("of-the-project", ""),
    ],
)
def test_a_vendors_models_read_what_their_api_has_a_place_for(spec: str, taken: str) -> None:
    kinds = {
        "png": "image/png",
        "jpeg": "image/jpeg",
        "webp": "image/webp",
        "gif": "image/gif",
        "pdf": "application/pdf",
    }
    found = [name for name, kind in kinds.items() if reads(spec).takes(ref(kind))]
    assert " ".join(found) == taken
    assert reads(spec).takes(ref(TEXT))


def test_the_settings_know_better(settings: Any) -> None:
    settings.CHAT_MODEL_FILES = {
        "compatible:qwen3-vl": ("image",),
        "openai:gpt-6.1-terra": (),
        "mine": ("pdf",),
    }
    assert reads("compatible:qwen3-vl").takes(ref("image/gif"))
    assert not reads("compatible:qwen3-vl").takes(ref("application/pdf"))
    assert not reads("openai:gpt-6.1-terra").takes(ref())
    assert reads("mine").takes(ref("application/pdf"))


def test_a_large_picture_is_not_for_every_vendor() -> None:
    large = ref(size=4 * MIB)
    assert not reads("anthropic:claude-sonnet-5-5").takes(large)
    assert reads("gemini:gemini-3.8-flash").takes(large)
    assert reads("anthropic:claude-sonnet-5-5").takes(ref("application/pdf", size=4 * MIB))


def test_a_message_that_the_model_cannot_read_is_refused_by_name() -> None:
    check_readable([ref(), ref("application/pdf")], "gemini:gemini-3.8-flash")
    with pytest.raises(ModelCannotRead, match="'a' \\(image/gif"):
        check_readable([ref(), ref("image/gif")], "gemini:gemini-3.8-flash")
    check_readable([ref("image/gif")], None)  # a person reads it


def test_and_one_that_is_more_than_it_takes_at_once(settings: Any) -> None:
    settings.CHAT_MODEL_FILES = {"compatible:small": ("pdf",)}
    check_readable([ref("application/pdf", pages=10)], "compatible:small")
    with pytest.raises(ModelCannotRead, match="about 30000 tokens"):
        check_readable([ref("application/pdf", pages=20)], "compatible:small")


@pytest.mark.parametrize(
    ("file", "tokens"),
    [
        (ref(width=1000, height=1000), 1333),
        (ref(width=100, height=100), 258),
        (ref(width=8000, height=4000), 1639),
        (ref("application/pdf", pages=3), 4500),
        (ref("application/pdf", size=100_001), 4500),
        (ref(TEXT, size=400), 100),
        (ref(TEXT, size=10 * MIB), 30_000),
    ],
)
def test_what_a_file_counts(file: FileRef, tokens: int) -> None:
    assert file_tokens(file) == tokens


def item(file_id: str = "file_1", **more: Any) -> FileItem:
    given = {"name": f"{file_id}.png", "media_type": "image/png", "size": 100, "content": "QQ==", **more}
    return FileItem(id=file_id, **given)


def test_a_history_weighs_what_its_files_do() -> None:
    bare, full = UserText("u", "Hi"), UserText("u", "Hi", [item(width=1000, height=1000)])
    assert items_bytes([full]) - items_bytes([bare]) == 4 * 1333


def test_a_summary_of_old_turns_is_told_their_names() -> None:
    assert "User: Look [sent the file bike.png]" in material(
        "", [UserText("u", "Look", [item(name="bike.png")])], max_bytes=1000
    )


def only(request: ModelRequest) -> UserText:
    [found] = request.history
    assert isinstance(found, UserText)
    return found


def asked(*files: FileItem, text: str = "Hi") -> UserText:
    return only(readable(ModelRequest(model="m", history=[UserText("u", text, list(files))]), "demo"))


def test_a_long_text_is_cut_and_says_so() -> None:
    words = asked(item(media_type=TEXT, size=90_000, content="x" * (TEXT_CHARS + 1))).text
    assert "x" * TEXT_CHARS in words
    assert "x" * (TEXT_CHARS + 1) not in words
    assert "the whole file has 90000 bytes" in words


def test_all_of_them_together_have_their_bound() -> None:
    said = asked(item("file_1", size=8 * MIB), item("file_2", size=8 * MIB))
    assert [file.id for file in said.files] == ["file_1"]
    assert "file_2.png" in said.text


async def test_the_demo_says_what_it_got() -> None:
    said = UserText("u", "", [item(width=40, height=30, size=1234)])
    told = await text_of(DemoProvider(), ModelRequest(model="demo", history=[said]))
    assert "**file_1.png** (image/png, 1,234 bytes, 40 × 30 pixels)" in told
    text = asked(item(media_type=TEXT, content="a\nb", name="notes.txt"), text="Look")
    told = await text_of(DemoProvider(), ModelRequest(model="demo", history=[text]))
    assert "**notes.txt** (text, 3 characters)" in told


# From the storage


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "_cache", attachments._Cache(1000))


def files_of(history: list[HistoryItem]) -> list[FileItem]:
    return [file for one in history if isinstance(one, UserText) for file in one.files]


def stored(data: bytes, name: str = "a.png") -> FileItem:
    row = keep_file(data, name=name, owner=ADA)
    return FileItem(id=row.pk, name=row.name, media_type=row.media_type, size=row.size)


@pytest.mark.django_db(transaction=True)
async def test_bytes_come_as_base64_and_text_as_text() -> None:
    picture, words = await in_db_thread(
        lambda: (stored(png()), stored(b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe", "a.txt"))
    )
    history = await with_contents([UserText("u", "Hi", [picture, words])])
    assert [file.content for file in files_of(history)] == [base64.b64encode(png()).decode(), "Grüße"]


@pytest.mark.django_db(transaction=True)
async def test_they_are_read_once_for_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = await in_db_thread(lambda: stored(png()))
    asked: list[str] = []
    read = storage.read

    def noted(key: str, *, at_most: int) -> bytes:
        asked.append(key)
        return read(key, at_most=at_most)

    monkeypatch.setattr(storage, "read", noted)
    for _ in range(3):
        await with_contents([UserText("u", "Hi", [picture]), UserText("v", "Again", [picture])])
    assert len(asked) == 1


@pytest.mark.django_db(transaction=True)
async def test_what_was_read_lately_has_its_bound() -> None:
    cache = attachments._cache
    for number in range(20):
        cache.put(f"file_{number}", "x" * 100)
    assert [cache.get(f"file_{number}") is not None for number in range(20)] == [False] * 10 + [True] * 10
    cache.put("file_large", "x" * 1001)
    assert cache.get("file_large") is None


@pytest.mark.django_db(transaction=True)
async def test_one_that_is_gone_is_without_and_the_others_are_there() -> None:
    gone, there = await in_db_thread(lambda: (stored(png()), stored(pdf(), "a.pdf")))
    await in_db_thread(lambda: forget_files(StoredFile.objects.filter(pk=gone.id)))
    history = await with_contents([UserText("u", "Hi", [gone, there])])
    assert [file.content is None for file in files_of(history)] == [True, False]


@pytest.mark.django_db(transaction=True)
async def test_beyond_the_newest_nothing_is_read() -> None:
    files = [item(f"file_{number}", content=None) for number in range(MOST_FILES + 2)]
    history = await with_contents([UserText("u", "Hi", files)])
    assert [file.left_out for file in files_of(history)] == [True, True] + [False] * MOST_FILES

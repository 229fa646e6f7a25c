"""Pictures and files on the page: picked, pasted, dropped; a chip until they are sent, a thumbnail after that."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Route, expect

from tests.files.samples import TEXT, pdf, png
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.server import ServerProcess

pytestmark = pytest.mark.django_db

PUT = """([place, type, files]) => {
  const data = new DataTransfer();
  for (const [name, mediaType, base64] of files)
    data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, {type: mediaType}));
  const init = {bubbles: true, cancelable: true};
  const event = type === "paste"
    ? new ClipboardEvent("paste", {...init, clipboardData: data})
    : new DragEvent(type, {...init, dataTransfer: data});
  document.querySelector(place).dispatchEvent(event);
}"""


@pytest.fixture
def server(start_server: Callable[..., ServerProcess], tmp_path: Path) -> ServerProcess:
    return start_server(
        VAR_DIR=str(tmp_path), MAX_FILE_BYTES="50000", DEMO_DELAY_MS="0", SESSION_GRACE_SECONDS="1"
    )


@pytest.fixture
def chat(server: ServerProcess, open_page: OpenPage) -> ChatPage:
    chat = open_page(server=server)
    chat.go("/")
    chat.expect_connection("Ready")
    return chat


def payload(name: str, data: bytes, media_type: str = "image/png") -> FilePayload:
    return {"name": name, "mimeType": media_type, "buffer": data}


def chips(chat: ChatPage) -> Locator:
    return chat.page.locator("#chips > li")


def pick(chat: ChatPage, *files: FilePayload) -> None:
    with chat.page.expect_file_chooser() as chooser:
        chat.page.get_by_role("button", name="Add pictures or files").click()
    chooser.value.set_files(list(files))


def put(chat: ChatPage, place: str, event: str, *files: FilePayload) -> None:
    told = [[one["name"], one["mimeType"], base64.b64encode(one["buffer"]).decode()] for one in files]
    chat.page.evaluate(PUT, [place, event, told])


def expect_loaded(image: Locator) -> None:
    expect(image).to_have_js_property("complete", value=True)
    expect(image).not_to_have_js_property("naturalWidth", 0)


def expect_whole(chat: ChatPage, count: int) -> None:
    """That many chips, all of which have arrived."""
    expect(chips(chat)).to_have_count(count)
    expect(chips(chat).locator("progress")).to_have_count(0)


def test_a_picture_is_picked_sent_seen_and_there_again(chat: ChatPage, open_page: OpenPage) -> None:
    pick(chat, payload("bike.png", png(400, 300)))
    expect_whole(chat, 1)
    expect(chips(chat)).to_contain_text("bike.png")
    expect_loaded(chips(chat).locator("img"))
    answer = chat.ask("What is this?")
    expect(answer).to_contain_text("bike.png (image/png")
    expect(answer).to_contain_text("400 × 300 pixels")
    expect(chips(chat)).to_have_count(0)
    message = chat.messages.last
    expect(message).to_contain_text("What is this?")
    expect_loaded(message.get_by_role("img", name="bike.png"))
    for tab in (chat, open_page(like=chat)):
        tab.go(chat.page.url)
        expect_loaded(tab.messages.last.get_by_role("img", name="bike.png"))
    address = chat.messages.last.locator(".message-file").get_attribute("href") or ""
    answered = chat.page.request.get(address)
    assert (answered.status, answered.body()) == (200, png(400, 300))


def test_files_alone_are_a_message_with_a_title(chat: ChatPage) -> None:
    pick(chat, payload("offer.pdf", pdf(2), "application/pdf"), payload("notes.md", TEXT, "text/markdown"))
    expect_whole(chat, 2)
    chat.page.get_by_role("button", name="Send", exact=True).click()
    chat.expect_ended(chat.answers.last)
    expect(chat.answers.last).to_contain_text("offer.pdf (application/pdf")
    expect(chat.answers.last).to_contain_text("notes.md (text")
    expect(chat.messages.last.locator(".message-file")).to_contain_text(["offer.pdf", "notes.md"])
    expect(chat.page.locator("#session-title")).to_have_text("offer.pdf, notes.md")


@pytest.mark.parametrize(("place", "event"), [("#message", "paste"), ("#transcript", "drop")])
def test_one_is_pasted_or_dropped(chat: ChatPage, place: str, event: str) -> None:
    put(chat, place, event, payload("image.png", png(20, 20)))
    expect_whole(chat, 1)
    answer = chat.ask("And?")
    expect(answer).to_contain_text("image.png (image/png")


def test_what_is_taken_out_is_not_sent_and_thrown_away(chat: ChatPage) -> None:
    pick(chat, payload("a.png", png()), payload("b.png", png(5, 5)))
    expect_whole(chat, 2)
    with chat.page.expect_response(lambda one: one.request.method == "DELETE") as thrown:
        chat.page.get_by_role("button", name="Remove a.png").click()
    assert thrown.value.status == 204
    expect(chips(chat)).to_contain_text(["b.png"])
    answer = chat.ask("Which?")
    expect(answer).not_to_contain_text("a.png")
    expect(answer).to_contain_text("b.png")


def test_what_is_refused_is_said_and_the_rest_goes(chat: ChatPage) -> None:
    pick(
        chat,
        payload("large.png", png(padding=60_000)),
        payload("archive.zip", b"PK\x03\x04", "application/zip"),
        payload("good.png", png()),
    )
    toasts = chat.page.locator("#toasts")
    expect(toasts).to_contain_text("large.png is too large: at most 50 kB are taken.")
    expect(toasts).to_contain_text("archive.zip: Files of this kind are not taken.")
    expect_whole(chat, 1)
    expect(chips(chat)).to_contain_text("good.png")
    assert ["415" in found for found in chat.complaints.found] == [True], "the browser itself reports it"
    chat.complaints.found.clear()


def test_a_message_that_the_model_cannot_read_is_not_answered_and_can_be_mended(
    start_server: Callable[..., ServerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    """The wish for its answer waits for it, so nothing else is answered in its place."""
    chat = open_page(
        server=start_server(
            VAR_DIR=str(tmp_path),
            LLM_MODEL="compatible:plain",
            COMPATIBLE_BASE_URL="http://127.0.0.1:9/v1",
            LLM_MODELS="demo",
            DEMO_DELAY_MS="0",
        )
    )
    chat.go("/")
    chat.page.get_by_role("combobox", name="Model").select_option("demo")
    chat.ask("Hello")
    chat.page.get_by_role("combobox", name="Model").select_option("compatible:plain")
    pick(chat, payload("offer.pdf", pdf(2), "application/pdf"), payload("bike.png", png(40, 30)))
    expect_whole(chat, 2)
    chat.say("What is this?")
    refused = chat.messages.nth(1)
    expect(refused).to_contain_text("The assistant cannot read a file of this message.")
    chat.page.get_by_role("combobox", name="Model").select_option("demo")
    refused.get_by_role("button", name="Edit").click()
    expect(chat.messages).to_have_count(1)
    expect(chat.input).to_have_value("What is this?")
    expect_whole(chat, 2)
    expect_loaded(chips(chat).locator("img"))
    chat.page.get_by_role("button", name="Remove offer.pdf").click()
    chat.input.press("Enter")
    answer = chat.answers.nth(1)
    chat.expect_ended(answer)
    expect(answer).to_contain_text("bike.png (image/png")
    expect(chat.answers).to_have_count(2)


def test_there_are_only_so_many(chat: ChatPage) -> None:
    pick(chat, *(payload(f"{number}.png", png()) for number in range(7)))
    expect_whole(chat, 5)
    expect(chat.page.locator("#toasts")).to_contain_text("At most 5 files go with one message.")


def test_nothing_is_sent_before_the_file_has_arrived(chat: ChatPage) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    chat.page.route("**/api/files", hold)
    pick(chat, payload("a.png", png()))
    chat.input.fill("Look")
    expect(chips(chat).locator("progress")).to_have_count(1)
    expect(chat.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    chat.input.press("Enter")
    expect(chat.messages).to_have_count(0)
    held[0].continue_()
    expect_whole(chat, 1)
    chat.input.press("Enter")
    expect(chat.messages).to_have_count(1)


def test_said_anew_it_keeps_its_files(chat: ChatPage) -> None:
    pick(chat, payload("bike.png", png(30, 30)))
    expect_whole(chat, 1)
    chat.ask("What?")
    chat.messages.last.get_by_role("button", name="Edit this message").click()
    chat.say("What colour?")
    expect(chat.messages.last).to_contain_text("What colour?")
    expect_loaded(chat.messages.last.get_by_role("img", name="bike.png"))
    chat.expect_ended(chat.answers.last)
    expect(chat.answers.last).to_contain_text("bike.png (image/png")


def test_who_goes_elsewhere_leaves_none_behind(chat: ChatPage) -> None:
    chat.ask("Hello")
    pick(chat, payload("a.png", png()))
    expect_whole(chat, 1)
    with chat.page.expect_response(lambda one: one.request.method == "DELETE"):
        chat.page.get_by_role("link", name="New chat").click()
    expect(chips(chat)).to_have_count(0)


def test_with_files_switched_off_there_is_no_button(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    chat = open_page(server=start_server(MAX_FILES_PER_MESSAGE="0", DEMO_DELAY_MS="0"))
    chat.go("/")
    chat.expect_connection("Ready")
    expect(chat.page.get_by_role("button", name="Add pictures or files")).to_have_count(0)
    chat.ask("Hello")


def test_an_address_that_works_no_more_is_asked_for_anew(open_page: OpenPage) -> None:
    """As those of who comes by a key do after some minutes."""
    chat = open_page()
    chat.page.clock.install()
    chat.go("/login/")
    script = """({ filesView }) => {
      let asked = 0;
      const file = { id: "f", name: "a.pdf", media_type: "application/pdf", bytes: 1 };
      document.body.append(filesView([file], async () => `/login/?${(asked += 1)}`));
    }"""
    chat.module("files_view", script)
    link = chat.page.get_by_role("link", name="a.pdf")
    for number in ("1", "2"):
        with chat.page.expect_popup() as opened:
            link.click()
        assert opened.value.url.endswith(f"/login/?{number}")
        chat.page.clock.run_for(6 * 60_000)


def test_cells_and_paragraphs_that_come_with_a_picture_of_them_are_pasted_as_text(chat: ChatPage) -> None:
    """As spreadsheets and word processors copy them."""
    script = """(box) => {
      const data = new DataTransfer();
      data.setData("text/plain", "1,200");
      data.setData("text/html", "<table><tr><td>1,200</table>");
      data.items.add(new File(["x"], "image.png", { type: "image/png" }));
      return box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true, bubbles: true }));
    }"""
    assert chat.input.evaluate(script), "the browser pastes it"
    expect(chat.page.locator(".attachment")).to_have_count(0)


def test_where_no_files_are_taken_what_is_pasted_as_text_and_picture_stays_text(chat: ChatPage) -> None:
    script = """({ Attachments }) => {
      const part = (tag) => document.body.appendChild(document.createElement(tag));
      const [list, button, input, drop, text] = ["ul", "button", "input", "div", "textarea"].map(part);
      const attachments = new Attachments({ list, button, input, drop, text, most: 5, maxBytes: 1000 });
      attachments.enabled = false;
      const data = new DataTransfer();
      data.setData("text/plain", "1,200");
      data.items.add(new File(["x"], "image.png", { type: "image/png" }));
      return text.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
    }"""
    assert chat.module("attachments", script), "a spreadsheet copies a picture of its cells, too"

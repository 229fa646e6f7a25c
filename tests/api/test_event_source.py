"""The browser's own `EventSource`, in Chromium: on a page of this server, by its cookie, over the death of the process that answers,
to an end from which on it stays away."""

from playwright.sync_api import Page

from tests.sockets.conftest import StartServer
from tests.support.browser import launched
from tests.support.server import ServerProcess

ASK = """
([path, text]) => new Promise((resolve) => {
  const socket = new WebSocket(`ws://${location.host}${path}`, ["realtime"]);
  let id;
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.type === "session.created") {
      id = event.session.id;
      const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
      socket.send(JSON.stringify({ type: "conversation.item.create", item }));
      socket.send(JSON.stringify({ type: "response.create" }));
    }
    if (event.type === "response.created") { socket.close(); resolve(id); }
  };
})
"""
FOLLOW = """
(id) => {
  window.seen = [];
  window.cuts = 0;
  window.stopped = false;
  const events = new EventSource(`/api/sessions/${id}/stream`);
  events.onmessage = ({ data, lastEventId }) => window.seen.push([lastEventId, JSON.parse(data)]);
  events.onerror = () => {
    window.cuts += 1;
    window.stopped = events.readyState === EventSource.CLOSED;
  };
}
"""


def follow(page: Page, server: ServerProcess, text: str) -> None:
    page.goto(server.url)
    page.evaluate(FOLLOW, page.evaluate(ASK, ["/v1/realtime", text]))


def until(page: Page, expression: str) -> None:
    """Playwright's own way makes a function of a text in the page, which the page's policy forbids."""
    for _ in range(900):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{expression} did not come true")


def seen(page: Page) -> tuple[list[int], str]:
    """The seqs, and what the answers said."""
    told = page.evaluate("window.seen")
    assert [seq for seq, _ in told] == [str(event["seq"]) for _, event in told]
    return [event["seq"] for _, event in told], "".join(
        event["text"] for _, event in told if event["type"] == "assistant_delta"
    )


def test_it_goes_on_in_another_process_and_stays_away_at_the_end(
    chromium: str, start_server: StartServer
) -> None:
    env = {"DEMO_DELAY_MS": "15", "SESSION_LEASE_SECONDS": "1", "REDIS_URL": ""}
    server = start_server(**env)
    with launched(chromium) as browser:
        page = browser.new_page()
        follow(page, server, "count to 200")
        until(page, "window.seen.length > 30")
        server.kill()
        server.start()
        until(page, "window.stopped")
        seqs, text = seen(page)
        counted = ", ".join(str(number) for number in range(1, 201)) + "."
        assert text.endswith(counted)
        assert text != counted  # what was said before stays, and the answer is given again
        assert seqs == sorted(set(seqs))
        assert page.evaluate("window.cuts") >= 2
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.wait_for_timeout(4_000)  # it would come again after 3 s
        assert not [url for url in asked if url.endswith("/stream")]

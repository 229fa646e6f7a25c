"""The client module on a socket in the test's hands, in a browser."""

import pytest

from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(open_page: OpenPage) -> ChatPage:
    page = open_page()
    page.page.clock.install()
    page.go("/login/")
    return page


FAKE = """class extends EventTarget {
  static all = [];
  constructor() { super(); this.constructor.all.push(this); this.sent = []; }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() {}
  hear(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
  greet(last = "event_s_9") {
    this.hear({ type: "session.created", session: { id: "s" }, x_stream: { last_event_id: last, status: "idle" } });
    this.hear({ type: "x_history.done", event_id: "evt_done" });
  }
}"""


def test_a_word_that_was_not_sent_yet_is_not_taken_with_the_one_before_it(page: ChatPage) -> None:
    script = """async ({ RealtimeClient, Outbox }) => {
      const WebSocket = FAKE;
      const client = new RealtimeClient("wss://nowhere/", { sessionId: "s", WebSocket, outbox: new Outbox(null) });
      client.connect();
      WebSocket.all[0].greet();
      client.feedback("item_a", { rating: "down" });
      client.resume();
      client.feedback("item_a", { rating: "down", reason: "wrong", comment: "It is Tuesday." });
      const [, socket] = WebSocket.all;
      socket.hear({ type: "session.created", session: { id: "s" }, x_stream: { last_event_id: "event_s_9", status: "idle" } });
      const given = { type: "x_feedback.given", item_id: "item_a", rating: "down", reason: "", comment: "" };
      socket.hear({ ...given, event_id: "event_s_10" });
      socket.hear({ type: "x_history.done", event_id: "evt_done" });
      const comments = socket.sent.map(({ comment }) => comment);
      socket.hear({ ...given, event_id: "event_s_11", reason: "wrong", comment: "It is Tuesday." });
      client.close();
      return [comments, socket.sent.length];
    }"""
    assert page.module("realtime", script.replace("FAKE", FAKE)) == [["It is Tuesday."], 1]


def test_an_upload_that_is_given_up_while_its_key_is_fetched_is_not_sent(page: ChatPage) -> None:
    requests: list[str] = []
    page.page.on("request", lambda request: requests.append(request.url))
    script = """async ({ RealtimeClient }) => {
      const stop = new AbortController();
      const key = () => new Promise((give) => setTimeout(() => give("key"), 100));
      const client = new RealtimeClient(`ws://${location.host}/ws/session`, { key });
      const upload = client.upload(new File(["words"], "a.txt"), { signal: stop.signal });
      stop.abort();
      return upload.then(() => "sent", (error) => error.name);
    }"""
    assert page.module("realtime", script) == "AbortError"
    assert not [url for url in requests if "/api/files" in url]


@pytest.mark.parametrize("end", ["client.close()", "WebSocket.all[0].onclose({ code: 1012, reason: '' })"])
def test_an_earlier_page_that_cannot_come_any_more_is_not_waited_for(page: ChatPage, end: str) -> None:
    script = """async ({ RealtimeClient }) => {
      const WebSocket = FAKE;
      const client = new RealtimeClient("wss://nowhere/", { sessionId: "s", WebSocket });
      client.connect();
      WebSocket.all[0].greet();
      const given = client.earlier();
      END;
      const late = new Promise((go) => setTimeout(() => go("late"), 2000));
      const told = await Promise.race([given, late]);
      client.close();
      return told;
    }"""
    assert page.module("realtime", script.replace("FAKE", FAKE).replace("END", end)) == []


def test_an_earlier_page_of_a_session_that_has_ended_comes_over_a_new_connection(page: ChatPage) -> None:
    script = """async ({ RealtimeClient }) => {
      const WebSocket = FAKE;
      const client = new RealtimeClient("wss://nowhere/", { sessionId: "s", WebSocket });
      client.connect();
      WebSocket.all[0].greet();
      WebSocket.all[0].onclose({ code: 1000, reason: "" });
      const given = client.earlier();
      const socket = WebSocket.all[1];
      socket?.greet();
      await Promise.resolve();
      await Promise.resolve();
      const until = socket?.sent.find(({ type }) => type === "x_history.get")?.until;
      socket?.hear({ type: "x_history.given", until, after: "event_s_4", events: [{ type: "one" }] });
      const told = await given;
      client.close();
      return [until, told];
    }"""
    assert page.module("realtime", script.replace("FAKE", FAKE)) == ["event_s_9", [{"type": "one"}]]


@pytest.mark.parametrize(("code", "told"), [(4404, 4401), (4401, 4401), (None, None)])
def test_who_was_let_go_with_their_cookies_comes_in_by_those_of_now(
    page: ChatPage, code: int | None, told: int | None
) -> None:
    """Who signs in in another tab has others. Where these do not lead here, it is told why the connection was ended."""
    script = """async ({ RealtimeClient }, code) => {
      const WebSocket = FAKE;
      const client = new RealtimeClient("wss://nowhere/", { sessionId: "s", WebSocket });
      client.connect();
      WebSocket.all[0].greet();
      WebSocket.all[0].onclose({ code: 4401, reason: "" });
      const until = performance.now() + 5000;
      while (WebSocket.all.length === 1 && performance.now() < until) await new Promise((go) => setTimeout(go, 20));
      const [, socket] = WebSocket.all;
      if (code) socket?.onclose({ code, reason: "" });
      else socket?.greet();
      const { phase, code: told } = client.state;
      client.close();
      return [WebSocket.all.length, phase, told ?? null];
    }"""
    phase = "stopped" if code else "online"
    assert page.module("realtime", script.replace("FAKE", FAKE), code) == [2, phase, told]


def test_a_key_that_cannot_be_fetched_is_asked_for_again_however_it_fails(page: ChatPage) -> None:
    script = """async ({ RealtimeClient }) => {
      let asked = 0;
      const key = () => { if ((asked += 1) === 1) throw new Error("not now"); return "key"; };
      const WebSocket = FAKE;
      const client = new RealtimeClient("wss://nowhere/", { key, WebSocket });
      client.connect();
      const until = performance.now() + 3000;
      while (WebSocket.all.length === 0 && performance.now() < until) await new Promise((go) => setTimeout(go, 20));
      client.close();
      return [asked, WebSocket.all.length];
    }"""
    assert page.module("realtime", script.replace("FAKE", FAKE)) == [2, 1]


@pytest.mark.parametrize("begin", ["client.close(); client.connect();", "client.resume(); client.connect();"])
def test_one_that_is_begun_again_has_one_socket_and_hears_of_the_world(page: ChatPage, begin: str) -> None:
    """As components do that are taken off a page and put back."""
    script = """async ({ RealtimeClient }) => {
      const WebSocket = FAKE;
      const client = new RealtimeClient("wss://nowhere/", { sessionId: "s", WebSocket });
      client.connect();
      BEGIN
      WebSocket.all.at(-1).greet();
      const listening = WebSocket.all.filter(({ onmessage }) => onmessage).length;
      window.dispatchEvent(new Event("offline"));
      const { phase } = client.state;
      client.close();
      return [listening, phase];
    }"""
    assert page.module("realtime", script.replace("FAKE", FAKE).replace("BEGIN", begin)) == [1, "offline"]


def test_a_pages_token_is_read_as_it_is_needed(page: ChatPage) -> None:
    script = """async ({ RealtimeClient }) => {
      let token = "before";
      const client = new RealtimeClient("wss://nowhere/", { csrfToken: () => token });
      token = "after";
      return client.httpHeaders();
    }"""
    assert page.module("realtime", script) == {"X-CSRFToken": "after"}


def test_a_key_that_does_not_come_is_asked_for_again(page: ChatPage) -> None:
    script = """({ RealtimeClient }) => {
      window.asked = 0;
      const key = () => ((window.asked += 1), new Promise(() => {}));
      window.client = new RealtimeClient("wss://nowhere/", { key, WebSocket: FAKE });
      window.client.connect();
    }"""
    page.module("realtime", script.replace("FAKE", FAKE))
    page.page.clock.run_for(20_000)
    assert page.page.evaluate("() => [asked, client.state.phase, client.close()].slice(0, 2)") == [
        2,
        "reconnecting",
    ]


@pytest.mark.parametrize("key", ["'two words'", "'rta_1\\n'", "async () => '<!doctype html>'"])
def test_what_can_be_no_key_is_refused_as_one(page: ChatPage, key: str) -> None:
    """No browser takes such signs for a subprotocol, by which a key goes along."""
    script = """async ({ RealtimeClient }) => {
      const client = new RealtimeClient("wss://nowhere/", { key: KEY });
      const stopped = new Promise((go) => client.addEventListener("state", ({ detail }) => detail.phase === "stopped" && go(detail)));
      client.connect();
      const late = new Promise((go) => setTimeout(() => go({ code: "late" }), 3000));
      return (await Promise.race([stopped, late])).code;
    }"""
    assert page.module("realtime", script.replace("KEY", key)) == 4401

"""A conversation as a terminal shows it: what each event of the server's means to whoever sits there."""

from collections.abc import Callable
from typing import Any

from chat.terminal.line import Frame, Line
from chat.terminal.screen import Screen, short
from sessions_app.ids import new_id


class Talk:
    """`approve` answers each question of a tool; None: whoever sits there is asked, and shown what was said before."""

    def __init__(self, line: Line, screen: Screen, *, approve: bool | None = None) -> None:
        self._line = line
        self._screen = screen
        self._approve = approve
        self._said_here: set[str] = set()
        self._running: set[str] = set()
        self._streamed = ""
        self._asking: dict[str, str] = {}
        self._ready = False
        self.follows = False
        """Another response comes by itself: for one that the server's end cut, or since its tools' questions are answered."""
        self._meanings: dict[str, Callable[[Frame], None]] = {
            "session.created": self._greeted,
            "session.updated": self._updated,
            "x_history.done": self._told,
            "response.created": self._began,
            "response.output_text.delta": self._went_on,
            "conversation.item.done": self._item,
            "response.done": self._ended,
            "error": self._refused,
        }
        self.last_response = ""
        self._did_not_complete = False
        self._message_event = ""
        self._was_refused = False
        """The message: what is answered then is something else."""
        self._needs_others = False

    @property
    def failed(self) -> bool:
        """The last answer did not complete, what was asked was refused, or a tool's question needs another person's yes."""
        return self._did_not_complete or self._was_refused or self._needs_others

    @property
    def is_ready(self) -> bool:
        """What was said before has been told."""
        return self._ready

    @property
    def is_answering(self) -> bool:
        return bool(self._running) or self._line.waits

    @property
    def is_over(self) -> bool:
        """Nothing more comes by itself."""
        return not (self.is_answering or self._asking or self.follows)

    @property
    def question(self) -> str:
        """The id of the approval that is asked for, or ""."""
        return next(iter(self._asking), "")

    async def say(self, text: str) -> None:
        item_id = new_id("item")
        self._said_here.add(item_id)
        content = [{"type": "input_text", "text": text}]
        self._did_not_complete = self._was_refused = self._needs_others = False
        self._message_event = await self._line.send(
            {
                "type": "conversation.item.create",
                "item": {"id": item_id, "type": "message", "role": "user", "content": content},
            }
        )
        await self._line.send({"type": "response.create"})

    async def retry(self) -> None:
        self._did_not_complete = self._was_refused = self._needs_others = False
        await self._line.send({"type": "response.create", "response": {"x_retry_of": self.last_response}})

    async def stop(self) -> None:
        for response in sorted(self._running):
            await self._line.send_now({"type": "response.cancel", "response_id": response})

    async def choose_model(self, name: str) -> None:
        await self._line.send_now({"type": "session.update", "session": {"type": "realtime", "model": name}})

    async def decide(self, request: str, yes: bool, reason: str = "") -> None:
        answer = {"type": "mcp_approval_response", "id": new_id("item"), "approval_request_id": request}
        self._asking.pop(request, None)
        self._said_here.add(answer["id"])
        await self._line.send(
            {"type": "conversation.item.create", "item": {**answer, "approve": yes, **_if(reason=reason)}}
        )

    async def hear(self, frame: Frame | None) -> None:
        """None: the line was cut."""
        if frame is None:
            self._screen.note("… the connection was cut; connecting again")
            return
        if means := self._meanings.get(frame["type"]):
            means(frame)
        if self._ready:
            await self._answer_questions()

    async def _answer_questions(self) -> None:
        if self._approve is None:
            return
        for request in list(self._asking):
            reason = "" if self._approve else "Nobody was at the terminal to say yes."
            await self.decide(request, self._approve, reason)

    def _greeted(self, frame: Frame) -> None:
        stream = frame["x_stream"]
        if stream.get("resumed"):
            self._told()
        if stream.get("truncated_to"):
            self._screen.note("… the last words above were lost with the server; the answer goes on here")
        if notice := frame.get("x_notice"):
            self._screen.note(notice)
        self._screen.muted = not self._ready and self._approve is not None

    def _updated(self, frame: Frame) -> None:
        self._screen.note(f"The model is {frame['session'].get('model')} from now on.")

    def _told(self, frame: Frame | None = None) -> None:
        """What was there is told; from here on it is now."""
        self._ready = True
        self._did_not_complete = False
        self._screen.muted = False

    def _refused(self, frame: Frame) -> None:
        self._did_not_complete = True
        self._was_refused |= frame["error"].get("event_id") == self._message_event
        self._screen.trouble(f"{frame['error'].get('code')}: {frame['error'].get('message')}")

    def _went_on(self, frame: Frame) -> None:
        self._streamed = frame["item_id"]
        self._screen.answer(frame["delta"])

    def _began(self, frame: Frame) -> None:
        response = frame["response"]
        if response.get("x_queued"):
            self._screen.note(f"… number {response['x_queued'].get('position')} in the queue")
        self._running.add(response["id"])
        self.follows = False

    def _ended(self, frame: Frame) -> None:
        response = frame["response"]
        self._screen.end_answer()
        self._running.discard(response["id"])
        self.last_response = response["id"]
        self._did_not_complete = response["status"] != "completed"
        reason = (response.get("status_details") or {}).get("x_reason", "")
        self.follows = self.follows or reason == "interrupted"
        if self._did_not_complete:
            told = f"{reason or response['status']}: {response.get('x_message') or 'The answer did not complete.'}"
            (self._screen.note if response["status"] == "cancelled" else self._screen.trouble)(told)

    def _item(self, frame: Frame) -> None:
        item = frame["item"]
        match item["type"]:
            case "message":
                self._message(item)
            case "mcp_call":
                came = item.get("output") if item.get("error") is None else item["error"].get("message")
                mark = "→" if item.get("error") is None else "failed:"
                self._screen.note(
                    f"· {item['name']} {short(item['arguments'])} {mark} {short(str(came or ''))}"
                )
            case "mcp_approval_request":
                asks = item.get("x_asks") or f"{item['name']} {item['arguments']}?"
                self._asking[item["id"]] = asks
                self._screen.ask(f"? {asks}")
            case "mcp_approval_response":
                self._decided(item)

    def _message(self, item: Any) -> None:
        text = "".join(part.get("text", "") for part in item.get("content") or ())
        match item["role"]:
            case "user" if item["id"] not in self._said_here:
                self._screen.ask(f"> {text}")
            case "system":
                self._screen.note(f"({text})")
            case "assistant" if item["id"] != self._streamed:
                self._screen.answer(text)
                self._screen.end_answer()

    def _decided(self, item: Any) -> None:
        if more := item.get("x_pending"):
            self._needs_others = True
            self._screen.note(f"… {more} more {'person has' if more == 1 else 'people have'} to say yes")
            return
        self._asking.pop(item["approval_request_id"], None)
        self.follows = self._ready and not self._asking
        if item["id"] not in self._said_here or self._approve is not None:
            self._screen.note("· " + ("yes" if item["approve"] else "no"))


def _if(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}

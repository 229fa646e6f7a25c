"""A server that says the same words on each vendor's wire, as fast as it is asked to: ``python -m bench.fast_models``.

It prints its port. The path says whose wire; ``x-chunks`` and ``x-per-second`` (0: all at once) say how many and how fast.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import uvloop

WORDS = "forty-eight characters, that is about ten tokens"
USAGE_EACH = {"promptTokenCount": 900, "candidatesTokenCount": 120, "totalTokenCount": 1020}


def _data(body: Any, event: str = "", end: str = "\n\n") -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(body)}{end}".encode()


def gemini(chunks: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def chunk(text: str, **more: str) -> bytes:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
        body = {
            "candidates": [candidate],
            "usageMetadata": {
                **USAGE_EACH,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 900}],
            },
            "modelVersion": "gemini-3.8-flash",
            "responseId": "mAWJaJ3vEZ-mvdIPlqK6iAk",
        }
        return _data(body, end="\r\n\r\n")

    return [], [chunk(WORDS)] * chunks, [chunk("", finishReason="STOP")]


def chat(chunks: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        head = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1790000000,
            "model": "fast",
            "service_tier": "default",
            "system_fingerprint": "fp_1",
        }
        return _data({**head, "choices": [choice], "usage": None})

    start = chunk({"role": "assistant", "content": ""})
    return [start], [chunk({"content": WORDS})] * chunks, [chunk({}, "stop"), b"data: [DONE]\n\n"]


def responses(chunks: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def event(kind: str, **fields: Any) -> bytes:
        return _data({"type": kind, "sequence_number": 1, **fields}, kind)

    place = {"item_id": "msg_1", "output_index": 0}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1790000000,
        "model": "fast",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "status": "completed",
    }
    delta = event(
        "response.output_text.delta",
        **place,
        content_index=0,
        delta=WORDS,
        logprobs=[],
        obfuscation="PfGJvZkq",
    )
    return (
        [event("response.output_item.added", output_index=0, item=message)],
        [delta] * chunks,
        [event("response.completed", response=response)],
    )


def messages(chunks: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    usage = {"input_tokens": 900, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "fast",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }

    def event(kind: str, **fields: Any) -> bytes:
        return _data({"type": kind, **fields}, kind)

    return (
        [
            event("message_start", message=message),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        ],
        [event("content_block_delta", index=0, delta={"type": "text_delta", "text": WORDS})] * chunks,
        [
            event("content_block_stop", index=0),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 120}),
            event("message_stop"),
        ],
    )


WIRES: dict[str, Callable[[int], tuple[list[bytes], list[bytes], list[bytes]]]] = {
    "streamGenerateContent": gemini,
    "/chat/completions": chat,
    "/responses": responses,
    "/messages": messages,
}


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = [line.partition(":") for line in head.split("\r\n")[1:]]
            headers = {name.lower(): value.strip() for name, _, value in lines}
            await reader.readexactly(int(headers.get("content-length", "0")))
            wire = next(make for path, make in WIRES.items() if path in head.partition("\r\n")[0])
            await _answer(writer, wire(int(headers["x-chunks"])), float(headers["x-per-second"]))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _answer(
    writer: asyncio.StreamWriter, parts: tuple[list[bytes], list[bytes], list[bytes]], per_second: float
) -> None:
    loop = asyncio.get_running_loop()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    began = loop.time()
    head, said, end = parts
    for number, piece in enumerate([*head, *said, *end]):
        if per_second and number:
            await asyncio.sleep(began + number / per_second - loop.time())
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def main() -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())

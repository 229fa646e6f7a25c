"""An MCP server of the older protocol, by hand and without the SDK, that can do what the SDK's would not.

``python raw_server.py JOURNAL [stubborn|silent|restless|refuses|pages|odd]``; stubborn: neither the end of stdin nor SIGTERM
ends it; restless: whenever its tools are listed, they have changed; refuses: it knows no method, and is slow to end;
pages: behind its last page of tools it names that page again; odd: some of its tools are not what the protocol asks for.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

TEXT_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
LEFT_SCHEMA = {"type": "object", "properties": {"left": {"type": "integer"}}, "required": ["left"]}
NAMES = [
    "echo", "hang", "add_tool", "garbage", "endless", "bad_result", "die", "many_changes", "protocol_error",
    "busy", "error_result", "promised_structure", "other_structure", "unknown_block", "structure_alone", "list_structure",
]  # fmt: skip


SLOW_SECONDS = {"busy": 4.0}
"""It does nothing else meanwhile."""
ODD_RESULTS: dict[str, dict[str, Any]] = {
    "promised_structure": {"content": [{"type": "text", "text": "42 left"}]},
    "other_structure": {
        "content": [{"type": "text", "text": "42 left"}],
        "structuredContent": {"left": "many"},
    },
    "unknown_block": {
        "content": [
            {"type": "text", "text": "before"},
            {"type": "hologram", "data": "QUJD"},
            {"type": "text"},
            {"type": "text", "text": "behind"},
        ]
    },
    "structure_alone": {"structuredContent": {"left": 42}},
    "list_structure": {"content": [], "structuredContent": [1, 2]},
}
"""None of them is what the protocol asks for, and in each there is something to read."""
ODD_TOOLS: list[Any] = [
    {"name": "no_arguments"},
    {"name": "null_arguments", "inputSchema": None},
    {
        "name": "odd_extras",
        "inputSchema": TEXT_SCHEMA,
        "icons": [{"of": "mine"}],
        "annotations": {"readOnlyHint": True},
    },
    {"name": "odd_hints", "inputSchema": TEXT_SCHEMA, "annotations": {"readOnlyHint": "perhaps"}},
    {"name": "odd_schema", "inputSchema": "a text"},
    {"name": 5, "inputSchema": TEXT_SCHEMA},
    "no tool at all",
]
BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "bad_result": {"result": {"content": 5}},
    "protocol_error": {"error": {"code": -32602, "message": "no such page: hunter2-secret"}},
}


class Server:
    def __init__(self, journal: Path) -> None:
        self.journal_file = journal
        self.names = list(NAMES)

    def journal(self, line: str) -> None:
        with self.journal_file.open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {line}\n")

    def send(self, **message: Any) -> None:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()

    def answer(self, request: dict[str, Any]) -> None:
        match request["method"]:
            case "initialize" if "refuses" not in sys.argv:
                version = request["params"]["protocolVersion"]
                info = {"name": "raw", "version": "1"}
                result = {"protocolVersion": version, "capabilities": {"tools": {"listChanged": True}}}
                self.send(id=request["id"], result={**result, "serverInfo": info})
            case "tools/list":
                self.journal("list")
                self.send(id=request["id"], result=self.listed(request.get("params", {}).get("cursor")))
                if "restless" in sys.argv:
                    self.send(method="notifications/tools/list_changed")
            case "tools/call":
                self.call(request["id"], request["params"]["name"], request["params"].get("arguments", {}))
            case "notifications/cancelled":
                self.journal(f"cancelled {request['params']['requestId']}")
            case method if "id" in request:
                self.send(id=request["id"], error={"code": -32601, "message": f"no {method} here"})

    def listed(self, cursor: str | None) -> dict[str, Any]:
        tools = [self.tool(name) for name in self.names] + (ODD_TOOLS if "odd" in sys.argv else [])
        if "pages" not in sys.argv:
            return {"tools": tools}
        return {"tools": tools[5:] if cursor else tools[:5], "nextCursor": "the rest"}

    def tool(self, name: str) -> dict[str, Any]:
        hints = {"readOnlyHint": True}
        tool = {"name": name, "description": f"{name}.", "inputSchema": TEXT_SCHEMA, "annotations": hints}
        return {**tool, "outputSchema": LEFT_SCHEMA} if name.endswith("_structure") else tool

    def call(self, call_id: int, name: str, arguments: dict[str, Any]) -> None:
        self.journal(f"call {name} {call_id}")
        text = f"{name}: {arguments.get('text')}"
        match name:
            case "hang":
                return
            case "die":
                sys.exit(7)
            case "add_tool":
                self.names.append("added")
                self.send(method="notifications/tools/list_changed")
            case "many_changes":
                for _ in range(500):
                    self.send(method="notifications/tools/list_changed")
            case "garbage":
                print("I print what I like")
                sys.stdout.write('{"jsonrpc": "2.0", "oops\n{"jsonrpc": "2.0", "id": 99999, "result": {}}\n')
            case "endless":
                while True:
                    sys.stdout.write('{"a": "' + "x" * 1_000_000)
        time.sleep(SLOW_SECONDS.get(name, 0.0))
        if name in BAD_ANSWERS:
            self.send(id=call_id, **BAD_ANSWERS[name])
            return
        result = {"content": [{"type": "text", "text": text}], "isError": name == "error_result"}
        self.send(id=call_id, result=ODD_RESULTS.get(name, result))


def main() -> None:
    server, mode = Server(Path(sys.argv[1])), sys.argv[2] if len(sys.argv) > 2 else ""
    server.journal("started")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "silent":
        time.sleep(600)
    for line in sys.stdin:
        server.answer(json.loads(line))
    server.journal("end of stdin")
    if mode in ("stubborn", "refuses"):
        time.sleep(600)


if __name__ == "__main__":
    main()

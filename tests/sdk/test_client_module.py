"""The client module of ``static/chat`` in Node.js, against a running server; its package, its types, its example."""

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from identity.keys import make_key
from realtime_ai.env import BASE_DIR
from sessions_app.postgres.threads import in_db_thread
from tests.files.samples import pdf, png
from tests.protocol.sdk import held
from tests.sockets.conftest import StartServer
from tests.support.server import ServerProcess
from tests.support.sockets import joined, realtime

from .front import Front
from .node_packages import FOLDER, report_of, run

CHAT = BASE_DIR / "static" / "chat"
PACKAGE = CHAT / "realtime"
NEEDS_APPROVAL = 'read_letter "home"'


async def told_by(node: list[str], story: str, url: str, **given: Any) -> dict[str, Any]:
    facts = {"module": str(CHAT / "realtime.js"), "url": f"{url}/v1/realtime", "key": "guest"}
    return await report_of(node, "client.mjs", Path("none"), story=story, **{**facts, **given})


async def test_turns(node: list[str], start_server: StartServer) -> None:
    shop = {"DJANGO_SETTINGS_MODULE": "tests.shop.quiet_settings", "SHOP_LEDGER": os.devnull}
    server = start_server(DEMO_DELAY_MS="20", **shop)
    told = await told_by(node, "turns", server.ws_url, needsApproval=NEEDS_APPROVAL)
    for event in told["events"]:
        held(json.dumps(event))
    assert told["approved"]["x_continues"]
    assert told["stop"]
    assert told["stopped"]["status"] == "cancelled"
    assert told["again"]["x_retry_of"] == told["stopped"]["id"]
    assert told["refused"] == ["item_not_found"]
    assert not told["nothing"]
    assert told["phases"] == ["connecting", "online", "stopped"]


async def test_a_line_that_breaks_twice_and_then_dies_without_a_word(
    node: list[str], slow_server: ServerProcess
) -> None:
    front = Front(slow_server.port)
    front.cut_after_bytes = [3001, 4002]
    front.swallow_after_bytes = [10**9, 10**9, 5003]
    async with front.serving():
        told = await told_by(node, "count", f"ws://127.0.0.1:{front.port}", question="count to 150")
    assert front.connections == 4
    assert told["text"] == [", ".join(map(str, range(1, 151))) + "."]
    assert joined(told["events"]) == told["text"][0]
    assert told["phases"].count("online") == 4
    ids = [event["event_id"] for event in told["events"]]
    assert len(ids) == len(set(ids))


async def test_another_program_goes_on_at_the_place(node: list[str], slow_server: ServerProcess) -> None:
    told = await told_by(node, "resume", slow_server.ws_url, question="count to 40")
    assert joined(told["events"]) == told["text"][0]
    assert told["text"][0].endswith("39, 40.")
    assert [
        event["x_stream"]["resumed"] for event in told["events"] if event["type"] == "session.created"
    ] == [
        False,
        True,
    ]


async def test_a_long_session_is_read_from_its_end_to_its_beginning(
    node: list[str], start_server: StartServer
) -> None:
    server = start_server()
    async with realtime(server.ws_url) as client:
        for number in range(45):
            _, done = await client.ask("count to 2")
            if number == 3:
                early = done["response"]["output"][0]["id"]
        await client.send(type="x_feedback.give", item_id=early, rating="up")
        await client.until("x_feedback.given")
        wanted = [
            (frame.get("item") or frame["response"])["id"]
            for frame in client.frames
            if frame["type"] == "response.created"
            or (frame["type"] == "conversation.item.done" and frame["item"].get("role") == "user")
        ]
        back = {"sessionId": client.session_id, "resumeToken": client.created["x_stream"]["resume_token"]}
        told = await told_by(node, "pages", server.ws_url, **back)
    assert told["first"] < 45
    assert told["entries"] == wanted
    assert told["text"] == ["1, 2."] * 45
    assert told["rated"] == 1, "what was said of an answer that was not there yet"


async def test_files_go_along(node: list[str], start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(VAR_DIR=str(tmp_path))
    files = [["bike.png", png(40, 30)], ["offer.pdf", pdf(2)]]
    key = await in_db_thread(lambda: make_key(user=User.objects.create_user("shop"), label="k").value)
    given = [[name, base64.b64encode(data).decode()] for name, data in files if isinstance(data, bytes)]
    told = await told_by(node, "files", server.ws_url, key=key, files=given)
    for event in told["events"]:
        held(json.dumps(event))
    assert [(file["name"], file["width"]) for file in told["files"]] == [("bike.png", 40), ("offer.pdf", 0)]
    assert "bike.png" in told["text"][0]
    assert told["shown"] == given[0][1]
    assert told["shares"] == [1, 1]
    assert (told["code"], told["discarded"]) == ("file_type_refused", "file_not_found")


async def test_the_documented_example(node: list[str], server: ServerProcess) -> None:
    page = (BASE_DIR / "docs" / "clients.md").read_text()
    examples = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    example = next(one for one in examples if "RealtimeClient" in one)
    program = example.replace("https://chat.example.com/static/chat", CHAT.as_uri())
    program = program.replace("wss://chat.example.com", server.ws_url)
    around = "const show = (text) => process.stdout.write(text);\nconst finished = () => chat.close();\n"
    around += "console.log = () => {};\n"
    printed = await run([*node, "--input-type=module"], certificate=Path("none"), stdin=around + program)
    async with realtime(server.ws_url) as client:
        assert printed == (await client.ask("Explain WebSocket streaming"))[0]


async def test_the_installed_package_as_documented(
    node: list[str], server: ServerProcess, tmp_path: Path
) -> None:
    """In a folder of its own, with the package ``ws`` in the place of a WebSocket of the runtime's."""
    npm = shutil.which("npm")
    assert npm
    pack = [npm, "pack", "--silent", "--pack-destination", str(tmp_path)]
    packed = await asyncio.to_thread(
        subprocess.run, pack, cwd=PACKAGE, check=True, capture_output=True, text=True, timeout=60
    )
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "ws").symlink_to(FOLDER / "node_modules" / "ws")
    # a Python before 3.11.4 has no filters; from 3.12 on none is a warning
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(tmp_path / packed.stdout.strip()) as archive:
        archive.extractall(tmp_path, **safely)
    (tmp_path / "package").rename(modules / "realtime-ai-client")
    page = (BASE_DIR / "docs" / "clients.md").read_text()
    examples = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    program = next(one for one in examples if 'from "realtime-ai-client"' in one)
    program = program.replace("ws://localhost:8000", server.ws_url)
    (tmp_path / "program.mjs").write_text(program)
    command = [node[0], "program.mjs"]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "In Asia/Tokyo it is" in done.stdout


def test_without_a_websocket_it_says_what_to_give(node: list[str]) -> None:
    program = (
        "delete globalThis.WebSocket;\n"
        f"const {{ RealtimeClient }} = await import({json.dumps((PACKAGE / 'index.js').as_uri())});\n"
        "try { new RealtimeClient('ws://127.0.0.1:1'); } catch (error) { console.log(error.message); }"
    )
    done = subprocess.run(
        [*node, "--input-type=module", "-e", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "Give one as the option WebSocket, such as that of the package ws" in done.stdout


def test_every_public_name_is_documented() -> None:
    page = (BASE_DIR / "docs" / "clients.md").read_text()
    declared = (PACKAGE / "index.d.ts").read_text()
    exported = set(re.findall(r"^export \{ (.*) \}", (PACKAGE / "index.js").read_text(), re.MULTILINE))
    names = {name for line in exported for name in line.split(", ")}
    assert names == set(re.findall(r"^export (?:class|const|function) (\w+)", declared, re.MULTILINE))
    assert {"RealtimeClient", "Phase", "emptyTranscript", "reduce", "prepend"} <= set(
        re.findall(r"\w+", page)
    )


def test_npm_packs_it_whole(node: list[str], tmp_path: Path) -> None:
    del node
    npm = shutil.which("npm")
    assert npm
    command = [npm, "pack", "--silent", "--pack-destination", str(tmp_path)]
    name = subprocess.run(
        command, cwd=PACKAGE, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()
    with tarfile.open(tmp_path / name) as packed:
        found = {member.removeprefix("package/") for member in packed.getnames()}
    assert found == {path.name for path in PACKAGE.iterdir()}


def test_its_types_hold(node: list[str], tmp_path: Path) -> None:
    """What the package declares is what its code has, for a program that uses it as well."""
    shutil.copytree(PACKAGE, tmp_path / "real", ignore=shutil.ignore_patterns("*.d.ts"))
    shutil.copy(PACKAGE / "index.d.ts", tmp_path / "declared.d.ts")
    (tmp_path / "check.ts").write_text(
        'import * as real from "./real/index.js";\n'
        'import type * as declared from "./declared";\n'
        "const rest: Omit<typeof declared, 'RealtimeClient'> = real;\n"
        "const made = new real.RealtimeClient('ws://a', { key: async () => 'key' });\n"
        "const same: Omit<declared.RealtimeClient, 'addEventListener'> = made;\n"
        "declare const chat: declared.RealtimeClient;\n"
        "chat.addEventListener('state', ({ detail }) => detail.phase === rest.Phase.ONLINE);\n"
        "chat.addEventListener('response.done', ({ detail }) => detail.response);\n"
        "const place: declared.Place = same.place;\n"
        "const done: boolean = chat.stop();\n"
        "// @ts-expect-error there is no such thing\n"
        "chat.whisper();\n"
    )
    options = ["--noEmit", "--strict", "--allowJs", "--target", "es2022", "--module", "esnext"]
    options += [
        "--moduleResolution",
        "bundler",
        "--lib",
        "es2022,dom,dom.iterable",
        "--noImplicitAny",
        "false",
    ]
    tsc = [node[0], str(FOLDER / "node_modules" / "typescript" / "bin" / "tsc"), *options, "check.ts"]
    done = subprocess.run(tsc, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout

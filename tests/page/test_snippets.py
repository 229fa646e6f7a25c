"""Every snippet of README, docs and the demo model's words works where it is said to be pasted."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from realtime_ai.env import BASE_DIR
from tests.support.server import ServerProcess
from tests.support.sockets import plain

PROTOCOL = (BASE_DIR / "docs" / "protocol.md").read_text(encoding="utf-8")
README = (BASE_DIR / "README.md").read_text(encoding="utf-8")


def fenced(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def of_the_readme() -> str:
    (start,) = re.findall(r"^    const ws = .*\n(?:    .*\n)+", README, re.MULTILINE)
    return re.sub(r"^    ", "", start, flags=re.MULTILINE)


def for_a_browser() -> list[str]:
    """The others are for npm, and run in tests/sdk."""
    return [snippet for snippet in fenced("js", PROTOCOL) if "import " not in snippet]


PLAIN_HERE, PLAIN_ANYWHERE, RESUMING = for_a_browser()
"""On a page of the server; anywhere; the one that resumes, which needs a ``show`` and somebody to call it."""
ASKING = (
    "const show = (text) => console.log(text);\n"
    + RESUMING
    + '\nconst socket = connect();\nsocket.onopen = () => ask(socket, "Explain WebSocket streaming");'
)


def what_the_demo_says(server: ServerProcess, question: str, language: str) -> str:
    """The snippet in its answer."""

    async def ask() -> str:
        async with plain(server.ws_url) as client:
            await client.send(question)
            text = await client.until(f"```{language}\n")
            return text + await client.until("\n```")

    # the browser's loop counts as running in this thread
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(asyncio.run(ask())))
    thread.start()
    thread.join(30)
    (snippet,) = fenced(language, said[0] + "\n")
    return snippet


@pytest.fixture
def pasted(browser: Browser) -> Iterator[Callable[[str, str], str]]:
    """Opens an address, pastes a snippet into its console, and gives what that writes there until the answer is under way."""
    pages: list[Page] = []

    def paste(address: str, snippet: str) -> str:
        page = browser.new_context().new_page()
        pages.append(page)
        page.goto(address)
        with page.expect_console_message(lambda message: "streaming" in message.text, timeout=15_000):
            page.evaluate(f"() => {{ {snippet} }}")
        return page.url

    yield paste
    for page in pages:
        page.context.close()


@pytest.fixture
def static_page(tmp_path: Path) -> Iterator[str]:
    """A page of somebody else's server on this machine."""
    (tmp_path / "page.html").write_text("<title>mine</title>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()


def at(server: ServerProcess, snippet: str) -> str:
    """The snippet for this server's port, else as it stands."""
    return snippet.replace("localhost:8000", f"localhost:{server.port}")


def test_the_readmes_on_the_page_that_make_run_prints(
    chat_server: ServerProcess, pasted: Callable[[str, str], str]
) -> None:
    assert chat_server.url.startswith("http://127.0.0.1:")
    pasted(chat_server.url, of_the_readme())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(
    "snippet", [PLAIN_HERE, PLAIN_ANYWHERE, ASKING], ids=["here", "anywhere", "resuming"]
)
def test_the_protocols_on_a_page_of_the_server(
    chat_server: ServerProcess, pasted: Callable[[str, str], str], host: str, snippet: str
) -> None:
    pasted(f"http://{host}:{chat_server.port}/", at(chat_server, snippet))


@pytest.mark.parametrize("snippet", [PLAIN_ANYWHERE, ASKING], ids=["plain", "resuming"])
def test_the_protocols_in_a_page_from_a_file_and_from_another_server(
    chat_server: ServerProcess,
    pasted: Callable[[str, str], str],
    static_page: str,
    tmp_path: Path,
    snippet: str,
) -> None:
    assert pasted(static_page, at(chat_server, snippet)).startswith("http://127.0.0.1:")
    assert pasted((tmp_path / "page.html").as_uri(), at(chat_server, snippet)).startswith("file:")


@pytest.mark.parametrize("question", ["Explain WebSocket streaming", "Show me a code snippet"])
def test_the_demo_models_on_its_page(
    chat_server: ServerProcess, pasted: Callable[[str, str], str], question: str
) -> None:
    pasted(chat_server.url, what_the_demo_says(chat_server, question, "js"))


def test_the_demo_models_in_python(chat_server: ServerProcess) -> None:
    program = at(chat_server, what_the_demo_says(chat_server, "Show me a Python code snippet", "python"))
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        said = ""
        while "streaming" not in said and (piece := process.stdout.read(1)):
            said += piece
        process.kill()
    assert said.startswith("Connected to session ")
    assert "streaming" in said


def test_the_protocols_in_python(chat_server: ServerProcess) -> None:
    program = at(chat_server, fenced("python", PROTOCOL)[0])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

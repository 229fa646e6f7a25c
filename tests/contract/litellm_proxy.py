"""LiteLLM's proxy between our providers and a vendor: does it answer through each of its four APIs?

    python -m tests.contract.litellm_proxy

Installs the proxy once into an environment of its own (``var/litellm``, some 700 MB; ``--litellm`` names another), so it needs
a package index; that is why it is no part of the suite. The vendor behind the proxy is the strict Gemini of `tests.fakes`: what is lost
on the way, a signature or an id, is refused there.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import django

from chat.errors import ProviderError
from chat.llm.provider import HistoryItem, Provider, ToolCallItem
from realtime_ai.env import BASE_DIR
from tests.fakes.gemini_server import GeminiServer

PACKAGE = "litellm[proxy]==1.108.7"
KEY = "sk-fake-master-0123456789"
MODEL = "gemini-3.8-flash"
START_SECONDS = 300.0


def installed(folder: Path) -> Path:
    """The proxy's command in the environment, which is made when it is not there."""
    command = folder / "bin" / "litellm"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", PACKAGE], check=True)
    return command


@contextmanager
def proxy(command: Path, vendor: GeminiServer) -> Generator[str]:
    """The URL of a proxy before the vendor."""
    behind = {"model": f"gemini/{MODEL}", "api_key": "fake-gemini-key", "api_base": f"{vendor.url}/v1beta"}
    config = {
        "model_list": [{"model_name": MODEL, "litellm_params": behind}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        file, log = Path(folder, "config.yaml"), Path(folder, "log")
        file.write_text(json.dumps(config))
        with log.open("w") as out:
            process = subprocess.Popen(
                [str(command), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)],
                env={**env, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        try:
            _wait(process, f"http://127.0.0.1:{port}/health/liveliness", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the proxy did not come up:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.5)


def providers(url: str) -> dict[str, Callable[[], Provider]]:
    """The SDKs find the proxy as an operator would tell them."""
    from chat.llm.anthropic.provider import AnthropicProvider
    from chat.llm.gemini.provider import GeminiProvider
    from chat.llm.openai.chat import ChatCompletionsProvider
    from chat.llm.openai.responses import OpenAIProvider

    os.environ |= {
        "GOOGLE_GEMINI_BASE_URL": url,
        "ANTHROPIC_BASE_URL": url,
        "OPENAI_BASE_URL": f"{url}/v1",
    }
    return {
        "gemini": lambda: GeminiProvider(KEY),
        "openai": lambda: OpenAIProvider(KEY),
        "anthropic": lambda: AnthropicProvider(KEY),
        "compatible": lambda: ChatCompletionsProvider("compatible", api_key=KEY, base_url=f"{url}/v1"),
    }


async def talk(provider: Provider) -> str:
    """Text, then a tool's call and its answer; what was said at the end. Raises what goes wrong."""
    from tests.providers.rounds import GET_TIME, calls_of, events_of, joined, remembered, request, result

    asked: dict[str, object] = {"model": MODEL, "tools": [GET_TIME]}
    first = joined(await events_of(provider, request("Hi", **asked)))
    question = "What time is it in Asia/Tokyo?"
    events = await events_of(provider, request(question, **asked))
    items = remembered(events)
    outputs: list[HistoryItem] = [result(one, "noon") for one in items if isinstance(one, ToolCallItem)]
    if not calls_of(events):
        raise SystemExit(f"no call came: {joined(events)!r}")
    last = joined(await events_of(provider, request(question, *items, *outputs, **asked)))
    await provider.aclose()
    return f"{first!r}, then {last!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--litellm", type=Path, help="an installed proxy's command")
    options = parser.parse_args()
    django.setup()
    failed = []
    with (
        GeminiServer() as vendor,
        proxy(options.litellm or installed(BASE_DIR / "var" / "litellm"), vendor) as url,
    ):
        for name, make in providers(url).items():
            try:
                print(f"{name}: {asyncio.run(talk(make()))}")
            except ProviderError as error:
                failed.append(name)
                print(f"{name}: {error.code}: {error.cause}")
        print("refused by the vendor:", vendor.refusals or "nothing")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.test")
    main()

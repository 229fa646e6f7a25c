"""docs/tools.md tells what is, and its example runs as it stands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.test import Client

from chat.conf import ChatConf
from chat.tools import ToolOptions, beside, runner
from chat.tools.registry import Registry, default_registry
from sessions_app.postgres.threads import in_db_thread
from tests.support.server import ServerProcess
from tests.support.sockets import Realtime, realtime

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def table(heading: str) -> list[list[str]]:
    """The rows of the table under a heading, cells without their backticks."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]


SETTINGS = """
from realtime_ai.settings.test import *
INSTALLED_APPS = [*INSTALLED_APPS, "shop"]
"""
PROGRAM = """
import asyncio, django, msgspec
django.setup()
from chat.tools.registry import default_registry
import page_tests
for name in [name for name in dir(page_tests) if name.startswith("test_")]:
    asyncio.run(getattr(page_tests, name)())
    print(name)
print(msgspec.json.encode(default_registry.get("shipping_cost").spec).decode())
"""


def test_the_pages_app_is_found_by_a_server_and_passes_its_tests(tmp_path: Path) -> None:
    """In a process of its own, with the app among the installed ones."""
    (tmp_path / "shop").mkdir()
    files = {
        "shop/__init__.py": "",
        "shop/ai_tools.py": blocks("python")[0],
        "page_tests.py": blocks("python")[1],
    }
    for name, text in {**files, "shop_settings.py": SETTINGS, "program.py": PROGRAM}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "shop_settings"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    *passed, spec = done.stdout.splitlines()
    assert passed == [
        "test_a_conversation_about_a_parcel",
        "test_a_parcel_to_germany",
        "test_a_parcel_to_nowhere",
    ]
    assert msgspec.json.decode(spec) == msgspec.json.decode(blocks("json")[0])


@pytest.fixture
def shop_server(tmp_path: Path, transactional_db: None) -> Iterator[ServerProcess]:
    """A real server with the page's app: all that the page shows as a tool is in its ``ai_tools.py``."""
    (tmp_path / "shop").mkdir()
    ai_tools = "\n\n".join(block for block in blocks("python") if "\n@tool" in block)
    settings = SETTINGS.replace("settings.test", "settings.development")
    for name, text in {
        "shop/__init__.py": "",
        "shop/ai_tools.py": ai_tools,
        "shop_settings.py": settings,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    server = ServerProcess(
        DJANGO_SETTINGS_MODULE="shop_settings", PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)])
    )
    try:
        yield server.start()
    finally:
        server.close()


async def output_of(client: Realtime, words: str) -> str:
    _, done = await client.ask(words)
    item = done["response"]["output"][0]
    assert item["type"] == "mcp_call", item
    return str(item["output"])


async def test_the_pages_tools_answer_through_a_socket(
    shop_server: ServerProcess, members: int, ann_cookie: str
) -> None:
    headers = {"Cookie": f"sessionid={ann_cookie}", "Origin": shop_server.url}
    async with realtime(shop_server.ws_url, additional_headers=headers) as ann:
        assert await output_of(ann, "Call shipping_cost for DE") == '{"price":7.5,"currency":"EUR"}'
        assert await output_of(ann, "Call my_groups") == '["Gold"]'
        assert await output_of(ann, "Call all_groups") == '["Gold","Silver"]'
        _, done = await ann.ask("Call refund")
        assert [item["type"] for item in done["response"]["output"]] == ["message"], "without the permission"
    await allow_refunds(members)
    async with realtime(shop_server.ws_url, additional_headers=headers) as ann:
        _, done = await ann.ask("Call refund")
        assert done["response"]["output"][0]["type"] == "mcp_approval_request"


@pytest.fixture
def members(transactional_db: None) -> int:
    """A user who is in one of two groups; those that the migrations make are there in a fresh database alone."""
    Group.objects.all().delete()
    user = get_user_model().objects.create_user("ann")
    user.groups.add(Group.objects.create(name="Gold"))
    Group.objects.create(name="Silver")
    return user.pk


@pytest.fixture
def ann_cookie(members: int) -> str:
    client = Client()
    client.force_login(get_user_model().objects.get(pk=members))
    return client.cookies["sessionid"].value


async def allow_refunds(user_id: int) -> None:
    def add() -> None:
        permission = Permission.objects.get(codename="change_user")
        get_user_model().objects.get(pk=user_id).user_permissions.add(permission)

    await in_db_thread(add)


def test_the_table_of_shipped_tools_is_the_registry(shipped: Registry) -> None:
    ours = [tool for tool in shipped if tool.function.__module__.startswith("chat.")]
    assert sorted(row[:3] for row in table("The tools that ship")) == sorted(
        [
            tool.name,
            ", ".join(tool.spec.parameters["properties"]) or "none",
            "staff" if tool.staff_only else "everybody",
        ]
        for tool in ours
    )
    assert shipped is default_registry


def test_the_table_of_options_is_the_decorators() -> None:
    assert [row[0] for row in table("Options of `@tool`")] == ["name", *ToolOptions.__annotations__]


def test_the_bounds_are_those_of_the_code() -> None:
    assert [row[1] for row in table("Bounds")] == [
        f"CHAT_TOOL_SECONDS = {ChatConf().tool_seconds:g}",
        f"CHAT_TOOL_OUTPUT_CHARS = {ChatConf().tool_output_chars} characters",
        str(runner.MAX_CONCURRENT),
        str(beside.THREADS_PER_TOOL),
        str(beside.MAX_WAITING_PER_TOOL),
    ]

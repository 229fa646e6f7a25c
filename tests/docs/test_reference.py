"""The public face: its page is what the docstrings say, and importing it costs and needs little."""

import subprocess
import sys
from importlib import import_module

import pytest

from realtime_ai.env import BASE_DIR
from tests.docs.reference import MODULES, PAGE, UndocumentedError, page


def test_the_page_is_made_from_the_docstrings() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: make reference"


@pytest.mark.parametrize("module", MODULES)
def test_a_public_name_without_a_docstring_is_no_contract(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent() -> None: ...

    one = import_module(module)
    monkeypatch.setattr(one, "silent", silent, raising=False)
    monkeypatch.setattr(one, "__all__", [*one.__all__, "silent"])
    with pytest.raises(UndocumentedError, match=f"{module}.silent"):
        page()


IMPORTS = """
import chat.errors, chat.llm, chat.tools, sessions_app.hooks, sys
heavy = ("openai", "anthropic", "google.genai", "mcp", "procrastinate", "chat.session", "chat.testing")
print([name for name in heavy if name in sys.modules])
"""


def test_what_an_author_imports_needs_no_django_and_no_vendor() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTS],
        cwd=BASE_DIR, env={"PYTHONPATH": str(BASE_DIR)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("[]\n", "")

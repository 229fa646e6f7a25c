"""The pages against the code: links lead somewhere, files and commands that are named exist, figures are bounded."""

import re
from pathlib import Path

import pytest

from realtime_ai.env import BASE_DIR

PAGES = sorted([BASE_DIR / "README.md", *(BASE_DIR / "docs").rglob("*.md")])
ARCHITECTURE = (BASE_DIR / "docs" / "architecture.md").read_text(encoding="utf-8")
README = (BASE_DIR / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http:", "https:", "mailto:"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_module_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`?((?:chat|sessions_app|realtime_ai)/[\w/]+\.py)`?", ARCHITECTURE))
    named |= {
        f"tests/{path}"
        for path in re.findall(
            r"`((?:sockets|log|tools|protocol|summary|providers|platform)/test_\w+\.py)", ARCHITECTURE
        )
    }
    assert len(named) > 15
    assert [path for path in named if not (BASE_DIR / path).exists()] == []


def test_every_decision_is_reached_from_a_page() -> None:
    """A reason that nobody finds is no reason: each stands in another page, or in a docstring of the code."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    texts += [
        path.read_text(encoding="utf-8")
        for room in ("chat", "sessions_app", "realtime_ai")
        for path in (BASE_DIR / room).rglob("*.py")
    ]
    for decision in (BASE_DIR / "docs" / "decisions").glob("*.md"):
        number = decision.name[:4]
        assert any(f"decisions/{number}" in text for text in texts), decision.name


def test_the_readme_is_short_and_its_commands_exist() -> None:
    assert len(README.splitlines()) < 150
    targets = set(
        re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    commands = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"run", "test", "serve"} <= commands <= targets


def test_the_readme_shows_the_snippet_of_the_protocol() -> None:
    protocol = (BASE_DIR / "docs" / "protocol.md").read_text(encoding="utf-8")
    snippet = [line.strip() for line in README.splitlines() if line.strip().startswith(("const ws", "ws.on"))]
    assert len(snippet) == 3
    assert all(line in protocol for line in snippet)


def test_the_picture_is_a_picture() -> None:
    assert (BASE_DIR / "docs" / "images" / "chat.png").read_bytes().startswith(b"\x89PNG")

"""The pages against the code: links lead somewhere, files and commands that are named exist, figures are bounded."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from realtime_ai.env import BASE_DIR

PAGES = sorted([*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").rglob("*.md")])
ARCHITECTURE = (BASE_DIR / "docs" / "architecture.md").read_text(encoding="utf-8")
README = (BASE_DIR / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http:", "https:", "mailto:"))]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_module_that_the_architecture_names_exists() -> None:
    named = set(re.findall(r"`?((?:chat|sessions_app|realtime_ai)/[\w/]+\.py)`?", ARCHITECTURE))
    named |= {f"tests/{path}" for path in re.findall(r"`(\w+/test_\w+\.py)`", ARCHITECTURE)}
    assert len(named) > 15
    assert [path for path in named if not (BASE_DIR / path).exists()] == []


def test_every_test_that_the_page_of_reliability_names_exists() -> None:
    named = set(
        re.findall(r"`(test_\w+)`", (BASE_DIR / "docs" / "reliability.md").read_text(encoding="utf-8"))
    )
    tests = [path.read_text(encoding="utf-8") for path in (BASE_DIR / "tests").rglob("test_*.py")]
    assert len(named) > 15
    assert [name for name in named if not any(f"def {name}(" in text for text in tests)] == []


def test_every_decision_is_reached_from_a_page() -> None:
    """A reason that nobody finds is no reason: each stands in another page, or in a docstring of the code."""
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    texts += [
        path.read_text(encoding="utf-8")
        for room in ("chat", "identity", "sessions_app", "realtime_ai")
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    targets = [((page.parent / path).resolve() if path else page, heading) for path, heading in links]
    assert [
        f"{path.name}#{heading}"
        for path, heading in targets
        if path.suffix == ".md" and heading not in headings(path)
    ] == []


def headings(page: Path) -> set[str]:
    """As the forges name them in addresses."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def test_the_packages_are_named_in_the_order_of_their_imports() -> None:
    order = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "root_packages"
    ]
    assert f"`{' -> '.join(order)}`" in ARCHITECTURE
    assert " -> ".join(f"`{one}`" for one in order) in (BASE_DIR / "CONTRIBUTING.md").read_text(
        encoding="utf-8"
    )


def test_every_command_of_python_is_run_by_one_that_has_the_packages() -> None:
    """Whoever pastes ``python manage.py`` has the machine's Python, which knows no Django."""
    bare = [
        f"{page.name}: {line.strip()}"
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if not line.startswith("<!--")
        and re.search(r"(?<!\.venv/bin/)\bpython3? (-m (django|bench|tests|realtime_ai)\b|manage\.py)", line)
    ]
    assert bare == []


def test_manage_py_without_django_says_which_python_has_it() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "manage.py", "check"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Django in this Python")
    assert ".venv/bin/python manage.py" in done.stderr


def test_a_command_that_nobody_reads_on_ends_without_a_traceback() -> None:
    """As behind ``| head -1``."""
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "help", "--commands"],
            cwd=BASE_DIR,
            stdout=write_fd,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write_fd)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_connection_of_a_command_that_breaks_is_told() -> None:
    """The system calls both the same."""
    breaks = "lambda arguments: (_ for _ in ()).throw(BrokenPipeError('of a socket'))"
    command = f"import sys, manage, django.core.management as m; m.execute_from_command_line = {breaks}; sys.exit(manage.main(['manage.py', 'check']))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=BASE_DIR, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "BrokenPipeError: of a socket" in done.stderr


def test_the_hooks_before_a_commit_are_gates_of_make_lint() -> None:
    hooks = yaml.safe_load((BASE_DIR / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
        "hooks"
    ]
    lint = (BASE_DIR / "Makefile").read_text(encoding="utf-8")
    for hook in hooks:
        program = hook["entry"].replace(".venv/bin/", "$(BIN)/").replace(" --force-exclude", "")
        assert program in lint
    validated = subprocess.run(
        [Path(sys.executable).with_name("pre-commit"), "validate-config"], cwd=BASE_DIR, check=False
    )
    assert validated.returncode == 0


def test_the_workflow_calls_what_ci_runs() -> None:
    workflow = yaml.safe_load((BASE_DIR / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert [step.get("run") for step in workflow["jobs"]["test"]["steps"]][-1] == "bash .ci/run"


def test_a_test_that_hangs_fails(pytestconfig: pytest.Config) -> None:
    assert 0 < float(pytestconfig.getini("timeout")) <= 300

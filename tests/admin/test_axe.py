"""The pages of one session, the dashboard and the machine room, as axe sees them. Unfold's frame around them is judged elsewhere."""

from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from sessions_app.log import events as ev
from sessions_app.models import SessionStatus, SummaryState
from tests.admin.live_pages import address_of
from tests.admin.rows import call, done, message, result, started, turn, user_says, write_session
from tests.sdk import node_packages

WIDE = "| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n" + "x" * 300 + "\n```"
REPLAY = "/admin/sessions_app/session/ended/replay/"


@pytest.fixture
def axe() -> str:
    node_packages.install()
    script: Path = node_packages.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    return script.read_text(encoding="utf-8")


def furnish() -> None:
    failed = [
        user_says("Again?", "item_2"),
        started("resp_2"),
        done("resp_2", status="failed", reason="model_timeout"),
    ]
    answered = [user_says("Time?"), started(), call(), result(), message(WIDE), done()]
    summary = ev.SummaryWritten(title="Time", summary="**Told** the time.", model="demo", quality=3)
    ended = {"title": "Time", "summary": "**Told** the time.", "summary_state": SummaryState.WRITTEN}
    write_session(
        [ev.ConnectionOpened(connection_id="c", dialect="realtime"), *answered, *failed, summary],
        session_id="ended",
        at=timezone.now(),
        status=SessionStatus.ENDED,
        feedback_down=1,
        outcome="unresolved",
        sentiment="negative",
        model="demo",
        **ended,
    )
    write_session(turn(1), session_id="live", title="Goes on")
    held = [ev.OperatorTookOver(item_id="item_t", author="grace", shown_as="Staff")]
    write_session([*turn(1), *held], session_id="held", title="Held")


def wrongs(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    report = page.evaluate(
        """() => axe.run({include: [[".sx, .dash"]]}, {resultTypes: ["violations"], rules: {region: {enabled: false}}})"""
    )
    return [
        f"{problem['id']}: {node['html'][:160]}"
        for problem in report["violations"]
        for node in problem["nodes"]
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1366), ("dark", 1366), ("light", 390)])
def test_axe_finds_nothing_wrong(page: Page, axe: str, scheme: str, width: int) -> None:
    furnish()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    found = {}
    for path in (
        "/admin/",
        "/admin/sessions_app/serverprocess/",
        address_of("ended"),
        address_of("live"),
        address_of("held"),
        REPLAY,
    ):
        page.goto(path, wait_until="load")
        if path == REPLAY:
            expect(page.locator("#rp-stage .sx-user")).to_be_visible()
            page.keyboard.press("End")
        for folded in page.locator(".sx-more > summary, .desk-ids > summary, .sx-tool > summary").all():
            folded.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found[path] = wrongs(page, axe)
    assert found == {path: [] for path in found}

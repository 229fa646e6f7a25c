"""The page's modules as one script, and its styles as one sheet."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from chat.page import bundle
from realtime_ai.env import BASE_DIR

STATIC = BASE_DIR / "static"
APART = {"chat/theme.js", "chat/widget.js", "chat/key_trouble.js"}
pytestmark = pytest.mark.django_db


def address(kind: str) -> str:
    found = re.search(rf'(?:src|href)="(/page/[0-9a-f]{{12}}\.{kind})"', Client().get("/").content.decode())
    assert found
    return found[1]


def own(folder: str) -> set[str]:
    return {str(path.relative_to(STATIC)) for path in (STATIC / folder).glob("*.js")}


def test_all_that_the_page_runs_comes_with_one_request() -> None:
    script = Client().get(address("js")).content.decode()
    inside = re.findall(r'^made\["([^"]+)"\] = ', script, re.MULTILINE)
    assert set(inside) == (own("chat") | own("chat/realtime")) - APART
    assert inside[-1] == "chat/main.js"
    assert len(inside) == len(set(inside))


def test_what_it_takes_of_others_is_fetched_along_with_it() -> None:
    html = Client().get("/").content.decode()
    script = Client().get(address("js")).content.decode()
    imported = re.findall(r'^import .*"/static/([^"]+)";$', script, re.MULTILINE)
    assert set(imported) == {
        "vendor/markdown-it/markdown-it.esm.min.js",
        "vendor/dompurify/purify.min.js",
    }
    assert re.findall(r'rel="modulepreload" href="/static/([^"]+)"', html) == imported


def test_all_styles_of_the_page_are_on_one_sheet() -> None:
    sheet = Client().get(address("css")).content.decode()
    apart = {"base.css", "door.css", "api.css"}  # of other pages as well, or alone
    for path in (STATIC / "chat/css").glob("*.css"):
        assert (path.read_text(encoding="utf-8") in sheet) is (path.name not in apart), path.name


@pytest.mark.parametrize("kind", ["js", "css"])
def test_a_browser_keeps_it_until_it_changes(kind: str) -> None:
    client = Client()
    kept = client.get(address(kind))
    assert "immutable" in kept.headers["Cache-Control"]
    old = client.get(f"/page/000000000000.{kind}")
    assert old.content == kept.content, "a page of the release before gets what there is"
    assert old.headers["Cache-Control"] == "no-cache"


def test_it_is_sent_compressed_to_whom_can_read_that() -> None:
    url = address("js")
    plain, zipped = Client().get(url), Client().get(url, headers={"Accept-Encoding": "br, gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert gzip.decompress(zipped.content) == plain.content
    assert len(zipped.content) < len(plain.content) / 2


def entry(tmp_path: Path, monkeypatch: Any, **modules: str) -> Path:
    for name, source in modules.items():
        (tmp_path / f"{name}.js").write_text(source, encoding="utf-8")
    monkeypatch.setattr(bundle, "_path", lambda name: tmp_path / name.rpartition("/")[2])
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        'import * as all from "./main.js";',
        "export default function one() {}",
        "export { one };\nconst one = 1;",
        'import { one } from "../vendor/x.js";',
    ],
)
def test_what_it_cannot_read_it_does_not_guess(tmp_path: Path, monkeypatch: Any, source: str) -> None:
    entry(tmp_path, monkeypatch, other=source)
    with pytest.raises(bundle.UnknownSyntax, match="other"):
        bundle.Scripts().add("chat/other.js")


def test_modules_that_import_each_other_in_a_circle_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    one = 'import { two } from "./two.js";\nexport const one = 1;'
    two = 'import { one } from "./one.js";\nexport const two = 2;'
    entry(tmp_path, monkeypatch, one=one, two=two)
    with pytest.raises(bundle.UnknownSyntax, match="imports itself"):
        bundle.Scripts().add("chat/one.js")

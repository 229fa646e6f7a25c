"""Writes docs/reference.md from the docstrings of the public names: ``make reference``."""

import ast
import inspect
import os
import re
import textwrap
import typing
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import django

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
MODULES = ("chat.tools", "chat.llm", "chat.errors", "chat.testing", "sessions_app.hooks")
HEAD = """# Reference

<!-- Written by `make reference` from the docstrings; a test compares the two. -->

What a project builds on. All else is the server's own and may change with any version. How to begin: [tools](tools.md),
[models](models.md).
"""
Function = ast.FunctionDef | ast.AsyncFunctionDef


class UndocumentedError(Exception):
    """A public name without a docstring promises nothing."""


def page() -> str:
    return "\n".join([HEAD, *(part for name in MODULES for part in _module(import_module(name)))])


def _module(module: ModuleType) -> Iterator[str]:
    yield f"## {module.__name__}\n"
    for paragraph in _told(module.__doc__, module.__name__).split("\n\n"):
        yield _code(paragraph, language="") if "──" in paragraph else paragraph + "\n"
    for name in module.__all__:
        yield f"### {name}\n"
        yield from _entry(module, name, getattr(module, name))


def _entry(module: ModuleType, name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(_Source(value), f"{module.__name__}.{name}")
    elif inspect.isroutine(value):
        variants = typing.get_overloads(getattr(value, "__func__", value)) or [value]
        yield _code(*(source.head(source.node) for source in map(_Source, variants)))
        yield _told(value.__doc__, f"{module.__name__}.{name}") + "\n"
    else:
        written, docstring = _assigned(module, name)
        yield _code(f"{name} = {written}")
        yield _told(docstring, f"{module.__name__}.{name}") + "\n"


class _Source:
    """Of one class or function."""

    def __init__(self, value: Any) -> None:
        text = textwrap.dedent(inspect.getsource(value))
        self._lines = text.splitlines()
        self.node: Any = ast.parse(text).body[0]

    def head(self, node: Any) -> str:
        """From its decorators to its body, as it stands there, without a method's self."""
        shown = [one for one in node.decorator_list if ast.unparse(one) != "overload"]
        first = min([node.lineno, *(one.lineno for one in shown)])
        body = node.body[0]
        lines = [*self._lines[first - 1 : body.lineno - 1], self._lines[body.lineno - 1][: body.col_offset]]
        text = re.sub(r":(\s+#.*)?\s*$", "", textwrap.dedent("\n".join(lines)).rstrip())
        return re.sub(r"(?<=\()(\s*)self(, /)?(, )?", r"\1", text)


def _class(source: _Source, place: str) -> Iterator[str]:
    body: list[ast.stmt] = source.node.body
    fields = [_field(one, behind) for one, behind in zip(body, [*body[1:], None], strict=True)]
    methods = [one for one in body if isinstance(one, Function) and _is_public(one)]
    shown = [text for _, text, _ in filter(None, fields)] + [source.head(one) for one in methods]
    yield _code(source.head(source.node), *(textwrap.indent(one, "    ") for one in shown))
    yield _told(ast.get_docstring(source.node), place) + "\n"
    told = [(name, docstring) for name, _, docstring in filter(None, fields) if docstring]
    told += [(one.name, _told(ast.get_docstring(one), f"{place}.{one.name}")) for one in methods]
    if told:
        yield (
            "\n".join(f"- `{name}`: {' '.join(_plain(docstring).split())}" for name, docstring in told) + "\n"
        )


def _is_public(method: Function) -> bool:
    return not method.name.startswith("_") or (method.name == "__init__" and bool(ast.get_docstring(method)))


def _field(node: ast.stmt, behind: ast.stmt | None) -> tuple[str, str, str] | None:
    """Its name, the line that it stands in, and the docstring behind it."""
    target = (
        node.target
        if isinstance(node, ast.AnnAssign)
        else node.targets[0]
        if isinstance(node, ast.Assign)
        else None
    )
    if not isinstance(target, ast.Name) or target.id.startswith("_"):
        return None
    return target.id, ast.unparse(node), _docstring(behind)


def _assigned(module: ModuleType, name: str) -> tuple[str, str]:
    """What a name stands for that is neither a class nor a function, and the docstring behind it."""
    body: Sequence[ast.stmt] = ast.parse(inspect.getsource(module)).body
    for node, behind in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and name in [one.name for one in node.names]:
            return _assigned(import_module(str(node.module)), name)
        if isinstance(node, ast.Assign) and name in [getattr(one, "id", "") for one in node.targets]:
            return ast.unparse(node.value), _docstring(behind)
    raise LookupError(name)


def _docstring(node: ast.stmt | None) -> str:
    constant = node.value if isinstance(node, ast.Expr) else None
    return inspect.cleandoc(str(constant.value)) if isinstance(constant, ast.Constant) else ""


def _told(docstring: str | None, place: str) -> str:
    if not docstring:
        raise UndocumentedError(place)
    return _plain(inspect.cleandoc(docstring))


def _plain(text: str) -> str:
    """Markdown as it is read here: one sign around what is code."""
    return text.replace("``", "`")


def _code(*lines: str, language: str = "python") -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.test")
    django.setup()
    PAGE.write_text(page(), encoding="utf-8")

"""What the doctor finds: a line each, with its fix."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Status(StrEnum):
    OK = "ok"
    SKIPPED = "skipped"
    """There is nothing to look at, as the settings stand."""
    WARNING = "warning"
    """It works, and is not as it should be."""
    PROBLEM = "problem"
    """Something does not work, or lies open."""


_MARKS = {Status.OK: "ok", Status.SKIPPED: "--", Status.WARNING: "!!", Status.PROBLEM: "XX"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    name: str
    """A stable one, as ``database.tls``."""
    status: Status
    message: str
    fix: str = ""
    """Of a warning or a problem: what to do."""

    def line(self) -> str:
        words = f"{_MARKS[self.status]}  {self.name}: {self.message}"
        return f"{words}\n      -> {self.fix}" if self.fix else words

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def ok(name: str, message: str) -> Finding:
    return Finding(name=name, status=Status.OK, message=message)


def skipped(name: str, message: str) -> Finding:
    return Finding(name=name, status=Status.SKIPPED, message=message)


def warning(name: str, message: str, fix: str) -> Finding:
    return Finding(name=name, status=Status.WARNING, message=message, fix=fix)


def problem(name: str, message: str, fix: str) -> Finding:
    return Finding(name=name, status=Status.PROBLEM, message=message, fix=fix)


def is_well(findings: Iterable[Finding]) -> bool:
    """No problem among them; warnings are for people."""
    return all(finding.status is not Status.PROBLEM for finding in findings)

"""``.venv`` made and filled by whatever Python there is."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_ai import bootstrap


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    return tmp_path / ".venv"


def test_a_lock_that_is_installed_already_costs_nothing(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def call(command: list[str]) -> int:
        calls.append(command)
        return 0

    monkeypatch.setattr(subprocess, "call", call)
    lock = venv.parent / "requirements.txt"
    lock.write_text("one==1\n")
    venv.mkdir()
    bootstrap.install(lock)
    bootstrap.install(lock)
    assert len(calls) == 1
    assert "--require-hashes" in calls[0]
    lock.write_text("one==2\n")
    bootstrap.install(lock)
    assert len(calls) == 2
    assert (venv / ".installed-requirements.txt").read_text() == hashlib.sha256(b"one==2\n").hexdigest()


def test_a_failed_installation_is_told_and_tried_again(
    venv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "call", lambda _command: 1)
    lock = venv.parent / "requirements.txt"
    lock.write_text("one==1\n")
    venv.mkdir()
    with pytest.raises(SystemExit, match="1"):
        bootstrap.install(lock)
    assert not (venv / ".installed-requirements.txt").exists()
    assert "error: pip could not install requirements.txt" in capsys.readouterr().err


def test_a_python_without_ensurepip_is_told_what_is_missing(
    venv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "runs", lambda _command: False)
    with pytest.raises(SystemExit):
        bootstrap.make_venv()
    assert "python3-venv" in capsys.readouterr().err


@pytest.mark.parametrize("version", [(3, 9, 0), (3, 15, 0)])
def test_a_python_that_does_not_fit_is_told_when_there_is_no_other(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(SystemExit):
        bootstrap.find_python()
    assert "Python 3.11 to 3.14 is needed" in capsys.readouterr().err

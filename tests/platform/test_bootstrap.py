"""``.venv`` made and filled by whatever Python there is."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from realtime_ai import bootstrap


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    return tmp_path / ".venv"


def wheel(name: str, version: str, *, needs: tuple[str, ...] = (), extra: str = "") -> tuple[str, bytes]:
    """The smallest wheel that installs, and its file's name."""
    info, body = f"{name}-{version}.dist-info", io.BytesIO()
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}"] if extra else []
    metadata += [f"Requires-Dist: {need}" for need in needs]
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(body, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return f"{name}-{version}-py3-none-any.whl", body.getvalue()


class Index:
    """A package index in a folder, as PEP 503 has it, and locks of what it holds."""

    def __init__(self, folder: Path, wheels: list[tuple[str, bytes]]) -> None:
        self._wheels = dict(wheels)
        for file, body in wheels:
            package = folder / file.split("-")[0]
            package.mkdir(parents=True, exist_ok=True)
            (package / file).write_bytes(body)
        for package in folder.iterdir():
            links = [f'<a href="{file.name}">{file.name}</a>' for file in package.glob("*.whl")]
            (package / "index.html").write_text("<!DOCTYPE html>" + "".join(links))
        self.url = folder.as_uri()

    def lock(self, path: Path, *pins: str) -> Path:
        """``NAME==VERSION`` with the hash of its wheel."""
        lines = []
        for pin in pins:
            body = self._wheels["{}-{}-py3-none-any.whl".format(*pin.split("=="))]
            lines.append(f"{pin} --hash=sha256:{hashlib.sha256(body).hexdigest()}\n")
        path.write_text("".join(lines))
        return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """``asker`` wants an extra of ``helper``, which has a newer release than the locks name."""
    made = Index(
        tmp_path / "simple",
        [
            wheel("asker", "1", needs=("helper[speed]>=1",)),
            wheel("helper", "1", needs=("engine>=1 ; extra == 'speed'",), extra="speed"),
            wheel("helper", "2", needs=("engine>=2 ; extra == 'speed'",), extra="speed"),
            wheel("engine", "1"),
            wheel("engine", "2"),
        ],
    )
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(name, made.url)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return made


@pytest.fixture(params=["uv", "pip"])
def installer(request: pytest.FixtureRequest, venv: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty ``.venv`` with uv, or one for whose machine there is no uv."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    for part in Path(sysconfig.get_path("purelib")).glob("pip*"):  # ensurepip takes 8 s to compile the same
        shutil.copytree(part, packages / part.name)
    uv_lock = venv.parent / "uv.txt"
    uv_lock.write_text("uv==0 --hash=sha256:" + "0" * 64)
    monkeypatch.setattr(bootstrap, "INSTALLER", uv_lock)
    if request.param == "uv":
        (venv / "bin" / "uv").symlink_to(Path(sys.executable).with_name("uv"))
        bootstrap.stamp(uv_lock).write_text(bootstrap.fingerprint(uv_lock))
    return str(request.param)


def version_of(package: str) -> str:
    code = f"import {package}; print({package}.VERSION)"
    done = subprocess.run(
        [str(bootstrap.VENV_PYTHON), "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def test_a_lock_installs_whatever_was_released_after_it(
    installer: str, index: Index, venv: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = index.lock(venv.parent / "requirements.txt", "asker==1", "helper==1", "engine==1")
    bootstrap.install(lock)
    assert [version_of(package) for package in ("asker", "helper", "engine")] == ["1", "1", "1"]
    assert ("uv could not" in capfd.readouterr().out) == (installer == "pip")

    (venv / "bin" / "python").unlink()  # what is installed already asks for nothing, not even a Python
    bootstrap.install(lock)


def test_a_newer_lock_is_installed_over_an_older_one(installer: str, index: Index, venv: Path) -> None:
    del installer
    lock = index.lock(venv.parent / "requirements.txt", "helper==1")
    bootstrap.install(lock)
    bootstrap.install(index.lock(lock, "helper==2"))
    assert version_of("helper") == "2"


def test_a_lock_whose_packages_do_not_fit_together_is_refused_by_name(
    installer: str, index: Index, venv: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del installer
    lock = index.lock(venv.parent / "requirements.txt", "asker==1")
    with pytest.raises(SystemExit, match="1"):
        bootstrap.install(lock)
    assert not bootstrap.is_installed(lock)
    told = capfd.readouterr()
    assert "helper" in told.out + told.err
    assert "error: the packages in .venv do not fit together" in told.err


def test_another_file_than_the_locked_one_is_refused(
    installer: str, index: Index, venv: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del installer
    lock = index.lock(venv.parent / "requirements.txt", "engine==1")
    lock.write_text("engine==1 --hash=sha256:" + "1" * 64)
    with pytest.raises(SystemExit, match="1"):
        bootstrap.install(lock)
    assert not bootstrap.is_installed(lock)
    assert version_of("engine") == ""
    assert "error: pip could not install requirements.txt" in capfd.readouterr().err


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

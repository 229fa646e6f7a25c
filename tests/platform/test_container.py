"""The image and its composition, without a container engine: their steps, run as the plain commands that they are."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from realtime_ai.env import BASE_DIR
from tests.platform.support import Supervised, clean_environment, get

COMPOSE: dict[str, Any] = yaml.safe_load((BASE_DIR / "compose.yml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    text = (BASE_DIR / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


@dataclass
class Image:
    """The folder that stands for the image's ``/app``, and what its instructions have set."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    healthcheck: str = ""

    def build(self) -> None:
        for word, rest in instructions():
            getattr(self, f"_{word.lower()}")(rest)

    def _from(self, image: str) -> None:
        """The suite's own Python stands for it; what is installed already is not fetched again."""
        assert re.fullmatch(r"python:3\.1[1-4]-slim-\w+", image)
        (self.root / ".venv").symlink_to(sys.prefix)

    def _workdir(self, folder: str) -> None:
        assert folder == "/app"

    def _copy(self, arguments: str) -> None:
        *sources, target = arguments.split()
        for source in sources:
            if source == ".":
                self._copy_all()
            else:
                (self.root / target).mkdir(exist_ok=True)
                shutil.copy(BASE_DIR / source, self.root / target)

    def _copy_all(self) -> None:
        ignored = (BASE_DIR / ".dockerignore").read_text(encoding="utf-8").split()
        files = subprocess.check_output(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=BASE_DIR, text=True
        )
        for file in files.splitlines():
            if (BASE_DIR / file).is_file() and not any(
                fnmatch(Path(file).parts[0], rule) for rule in ignored
            ):
                (self.root / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(BASE_DIR / file, self.root / file)

    def _run(self, command: str) -> None:
        if os.geteuid() != 0:
            command = re.sub(r"chown \S+", "true", command)
        subprocess.run(
            ["sh", "-ec", command], cwd=self.root, env=self._environment(), check=True, timeout=120
        )

    def _user(self, user: str) -> None:
        assert not user.startswith(("0", "root"))

    def _env(self, pairs: str) -> None:
        self.env |= dict(pair.split("=", 1) for pair in pairs.split())

    def _expose(self, port: str) -> None:
        assert port == "8000"

    def _healthcheck(self, arguments: str) -> None:
        self.healthcheck = arguments.partition(" CMD ")[2]

    def _cmd(self, arguments: str) -> None:
        self.command = json.loads(arguments)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.root)} | self.env


@pytest.fixture
def image(folder: Path) -> Image:
    built = Image(folder / "app")
    built.root.mkdir()
    built.build()
    return built


def test_the_image_is_built_by_its_steps_and_its_processes_serve(
    image: Image, folder: Path, own_database: str, redis_url: str
) -> None:
    services = COMPOSE["services"]
    look = re.search(r"To look at it without a proxy: (.*)\.", (BASE_DIR / "compose.yml").read_text())
    assert look
    variables = image.env | {
        "HOST": services["server"]["environment"]["HOST"],
        "DATABASE_URL": own_database,
        "REDIS_URL": redis_url,
        "SECRET_KEY": secrets.token_urlsafe(60),
        **dict(pair.split("=", 1) for pair in look[1].split()),
    }
    assert image.command == services["server"]["command"][:-1], "compose runs the worker beside it"
    with Supervised(
        folder / "server", command=services["server"]["command"], root=image.root, **variables
    ) as server:
        url = server.wait_until_up()
        assert not [process for process in server.everything() if "worker" in process.cmdline()]
        check = image.healthcheck.replace("http://127.0.0.1:8000", url)
        subprocess.run(["sh", "-ec", check], check=True, timeout=30)
        assert get(f"{url}/")[0] in (200, 302)

        given = {name: value for name, value in services["worker"]["environment"].items() if "$" not in value}
        given.pop("VAR_DIR")
        variables |= given | {"DATABASE_URL": own_database, "REDIS_URL": redis_url}
        environment = clean_environment(VAR_DIR=str(folder / "worker"), **variables)
        done = subprocess.run(
            [*services["worker"]["command"], "--once"],
            cwd=image.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert not (image.root / "tests").exists()
    assert not (image.root / ".env").exists()


def test_the_composition_has_a_server_a_worker_and_the_stores() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"server", "worker", "postgres", "redis"}
    assert services["worker"]["environment"]["DJANGO_SETTINGS_MODULE"] == "realtime_ai.settings.production"
    for name in ("server", "worker"):
        assert {"DATABASE_URL", "REDIS_URL", "INSECURE_DATABASE"} <= set(services[name]["environment"])


def test_the_worker_has_the_files_of_the_server() -> None:
    """It takes the bytes of what was erased out of the storage; from a folder of its own it would delete nothing."""
    for name in ("server", "worker"):
        service = COMPOSE["services"][name]
        assert service["environment"]["VAR_DIR"] in [volume.split(":")[1] for volume in service["volumes"]]


def test_what_env_says_of_host_and_port_keeps_nobody_out_of_the_container() -> None:
    """``.env`` is given to the containers whole; it may be that of a checkout, too."""
    environment = COMPOSE["services"]["server"]["environment"]
    image = dict(
        pair.split("=", 1) for word, pairs in instructions() if word == "ENV" for pair in pairs.split()
    )
    assert environment["HOST"] == image["HOST"]
    assert [environment["PORT"]] == [port for word, port in instructions() if word == "EXPOSE"]
    (published,) = COMPOSE["services"]["server"]["ports"]
    assert published.endswith(f":{environment['PORT']}")


def test_no_secret_has_a_default() -> None:
    text = (BASE_DIR / "compose.yml").read_text(encoding="utf-8")
    assert re.findall(r"\$\{(\w*(?:KEY|PASSWORD|SECRET)\w*)(?!:\?)[:}]", text) == []

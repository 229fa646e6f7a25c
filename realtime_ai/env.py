"""The environment, read in one place: every variable that a conf declares, typed and checked.

The values come from the process's environment, then from the file ``.env`` beside ``manage.py`` (or ``ENV_FILE``).
"""

import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn

from dotenv.parser import parse_stream

from chat.conf import ChatConf
from identity.conf import IdentityConf
from realtime_ai.env_notices import notices
from realtime_ai.store_url import store_url
from sessions_app.conf import SessionsConf
from sessions_app.setting import (
    ACCESS,
    BEFORE,
    FLAG,
    HTTP_URL,
    PLACE,
    STORES,
    TEXT,
    Kind,
    Setting,
    choice,
    declared,
    file_of,
    names_of,
    number,
    text_of_file,
    whole,
)

__all__ = ["BASE_DIR", "Env", "EnvError", "load_env", "read_env", "read_env_file", "settings_of_all"]

BASE_DIR = Path(__file__).resolve().parent.parent


class EnvError(Exception):
    """A variable is wrong: its name, what it holds (never a secret) and the fix, in one line."""


def _networks(text: str) -> tuple[str, ...]:
    """IP addresses and networks, or ``*`` for any."""
    found = names_of(text)
    for network in found:
        try:
            network == "*" or ip_network(network, strict=False)
        except ValueError:
            raise ValueError from None
    return found


def _hosts(text: str) -> tuple[str, ...]:
    found = names_of(text)
    if not all(_HOST.fullmatch(host) for host in found):
        raise ValueError
    return found


def _folder(text: str) -> Path:
    try:
        return file_of(text).resolve()
    except RuntimeError as error:  # a ~ of nobody's
        raise ValueError(f"a folder's path ({error})") from None


_MOST_DEFAULT_PROCESSES = 4
_HOST = re.compile(r"\*|\.?[A-Z0-9_-]+(\.[A-Z0-9_-]+)*\.?|\[[0-9A-F:.]+\]", re.IGNORECASE)
_HOSTS = Kind(
    "names like chat.example.com or .example.com, commas between, without https:// and port", _hosts
)
_FOLDER = Kind("a folder's path", _folder)
_NETWORKS = Kind("IP addresses or networks of your proxies like 10.0.0.0/8, commas between", _networks)


@dataclass(frozen=True, kw_only=True)
class Env:
    """The settings of starting and serving, and those of the rooms below."""

    host: str = PLACE.field(
        "127.0.0.1", TEXT, "The address to listen on; `0.0.0.0` for all of this machine's."
    )
    port: int = PLACE.field(8000, whole(0, 65535), "The port; `0` takes a free one and prints it.")
    web_processes: int | None = PLACE.field(
        None,
        whole(1, 64),
        "Web server processes. More than one needs `REDIS_URL`.",
        default_told="1; with `make serve` and `REDIS_URL`: one per CPU, at most 4",
    )
    var_dir: Path = PLACE.field(  # noqa: RUF009 - a path does not change
        BASE_DIR / "var",
        _FOLDER,
        "Everything that is written while running: the embedded PostgreSQL, collected static files, the admin's "
        "password. One `make run` or `make serve` at a time per folder.",
        default_told="`var` in the checkout",
    )
    log_level: str = PLACE.field(
        "INFO",
        choice("DEBUG", "INFO", "WARNING", "ERROR"),
        "For our own packages; libraries speak from `WARNING` on.",
    )
    env_file: str | None = PLACE.field(
        None,
        TEXT,
        "The file to read instead of `.env`. From the environment only.",
        default_told="`.env` in the checkout",
    )
    database_url: str | None = STORES.field(
        None,
        store_url("postgresql", "postgres"),
        "`postgresql://user:password@host:port/database?sslmode=...`; of several hosts (`a:5432,b:5432`) the first that "
        "answers is taken. See [Supabase](#supabase).",
        default_told="an embedded PostgreSQL under `VAR_DIR`",
        example="postgresql://user:password@host:5432/database?sslmode=require",
        secret=True,
    )
    database_pool_max: int = STORES.field(
        8,
        whole(0, 200),
        "Connections per process at most; `0` switches the pool off. The log's writer and the lease have one each of "
        "their own beside them, a worker a few.",
    )
    redis_url: str | None = STORES.field(
        None,
        store_url("redis", "rediss", "unix"),
        "`redis://:PASSWORD@HOST:PORT/NUMBER`, `rediss://` (TLS; an own authority: `?ssl_ca_certs=/path/to/ca.pem`) or "
        "`unix://`. What lets several web processes hint at each other; nothing is lost without it. One that is set "
        "wrong stops the start, one that is away does not "
        "([which is which](decisions/0031-a-redis-that-is-set-wrong.md)).",
        example="redis://localhost:6379/0",
        secret=True,
    )
    files_bucket: str | None = STORES.field(
        None,
        TEXT,
        "The bucket, at Supabase Storage or another service that speaks S3, in which [pictures and files](files.md#where-they-are-kept) "
        "are kept. It is private, and nobody else writes to it.",
        default_told="a folder under `VAR_DIR`",
    )
    files_endpoint_url: str | None = STORES.field(
        None,
        HTTP_URL,
        "Where that service is: `https://REF.storage.supabase.co/storage/v1/s3`.",
        default_told="Amazon's",
        example="https://REF.storage.supabase.co/storage/v1/s3",
    )
    files_region: str | None = STORES.field(None, TEXT, "Its region.", default_told="the service's own")
    files_access_key_id: str | None = STORES.field(
        None,
        TEXT,
        "The key for it; both parts, or none.",
        default_told="what the machine's role allows",
        secret=True,
    )
    files_secret_access_key: str | None = STORES.field(None, TEXT, "Its other part.", secret=True)
    max_body_bytes: int = BEFORE.field(
        65_536,
        whole(1024, 1_073_741_824),
        "A longer body of an HTTP request is refused with 413 while it arrives. A team's own paths get their bounds in "
        "`HTTP_BODY_LIMITS` of the Django settings.",
    )
    max_admin_body_bytes: int = BEFORE.field(
        2_621_440, whole(1024, 1_073_741_824), "The same for `/admin/`, but for its login."
    )
    max_api_body_bytes: int = BEFORE.field(
        1_048_576,
        whole(1024, 1_073_741_824),
        "The same for `/v1/`, `/api/ui/` and `/ag-ui`, where a request may hold a whole conversation.",
    )
    request_seconds: float = BEFORE.field(
        20.0,
        number(0.1, 3600),
        "A connection whose request (line, headers, body, handshake) is not whole after so long is cut off, with 408 "
        "where it had begun.",
    )
    upload_seconds: float = BEFORE.field(
        180.0,
        number(0.1, 3600),
        "The same for a request that sends a [file](files.md), whose line may be slow.",
    )
    max_unfinished_requests: int = BEFORE.field(
        2000,
        whole(1, 1_000_000),
        "Connections with an unfinished request at once, per process; one more, and the oldest is cut off.",
    )
    runserver_worker: bool = BEFORE.field(
        True,
        FLAG,
        "Whether `manage.py runserver` runs the worker beside itself; with production settings never.",
    )
    secret_key: str | None = ACCESS.field(
        None,
        TEXT,
        "Signs cookies. `make serve` wants one of its own, of 50 characters at least.",
        default_told="none; development has one that is no secret",
        secret=True,
    )
    allowed_hosts: tuple[str, ...] = ACCESS.field(
        (),
        _HOSTS,
        "Host names to answer to, commas between; `.example.com` for all of its subdomains, too. `*` is refused by `make serve`.",
        default_told="this machine's names; none with `make serve`",
        example="chat.example.com",
    )
    trust_proxy: tuple[str, ...] = ACCESS.field(
        (),
        _NETWORKS,
        "Addresses or networks of your reverse proxies (`10.0.0.0/8`, commas between). Only from these, "
        "`X-Forwarded-For` and `X-Forwarded-Proto` are believed. `*` believes everybody: only where nobody else can "
        "connect.",
        example="10.0.0.0/8",
    )
    metrics_token: str | None = ACCESS.field(
        None,
        TEXT,
        "`/metrics` is for whoever sends it as `Authorization: Bearer`. Without one, `/metrics` is for the loopback only.",
        secret=True,
    )
    email_url: str | None = ACCESS.field(
        None,
        store_url("smtp+tls", "smtp+ssl", "smtp", "smtps", "filemail"),
        "How e-mail is sent: `smtp+tls://USER:PASSWORD@HOST:587`, `smtp+ssl://...:465`. Without one nobody can ask for a "
        "new password by e-mail, and the page does not offer it.",
        default_told="none; `make run` prints e-mail in its log",
        example="smtp+tls://USER:PASSWORD@smtp.example.com:587",
        secret=True,
    )
    email_from: str = ACCESS.field("webmaster@localhost", TEXT, "The sender of that e-mail.")
    hsts_include_subdomains: bool = ACCESS.field(
        False,
        FLAG,
        "`1`: the demand for https (HSTS) covers the subdomains of your host as well. Only when each of them has it.",
    )
    hsts_preload: bool = ACCESS.field(
        False,
        FLAG,
        "`1`: allows browsers to ship that demand (`preload`). Getting off their lists takes months.",
    )
    admin_username: str = ACCESS.field("admin", TEXT, "The superuser that the first run makes.")
    admin_password: str | None = ACCESS.field(
        None,
        TEXT,
        "Its password, on the run that makes it. A random one is printed once by `make run`, and kept in "
        "`VAR_DIR/admin-password` (mode 0600).",
        default_told="random",
        secret=True,
    )
    debug: bool | None = ACCESS.field(
        None, FLAG, "Django's `DEBUG`.", default_told="`1`; with `make serve`: refused", example="0"
    )
    insecure_http: bool = ACCESS.field(
        False, FLAG, "`1`: `make serve` without https, to try it on the loopback."
    )
    sessions: SessionsConf
    chat: ChatConf
    identity: IdentityConf
    given: frozenset[str] = field(default=frozenset(), repr=False)
    """The variables that are set."""
    notices: tuple[str, ...] = ()
    """What is set and not used, a line for a person each."""

    def server_processes(self, *, serve: bool) -> int:
        """How many web processes are started; ``serve``: by ``make serve``."""
        if self.web_processes is not None:
            return self.web_processes
        return min(_MOST_DEFAULT_PROCESSES, os.cpu_count() or 1) if serve and self.redis_url else 1

    @property
    def database_url_file(self) -> Path:
        """Where the embedded PostgreSQL's owner leaves its URL for other commands of this checkout."""
        return self.var_dir / "postgres" / "url"


def settings_of_all() -> Iterator[Setting]:
    """Every setting of the environment."""
    for conf in (Env, SessionsConf, IdentityConf, ChatConf):
        yield from (setting for _, setting in declared(conf))


def read_env(values: Mapping[str, str]) -> Env:
    """An empty value counts as unset. Raises `EnvError` for the first value that makes no sense."""
    given = {name: text for name, value in values.items() if (text := value.strip())}
    sessions = SessionsConf(**_read_fields(SessionsConf, given))
    chat = ChatConf(**_read_fields(ChatConf, given))
    identity = IdentityConf(**_read_fields(IdentityConf, given))
    return Env(
        **_read_fields(Env, given),
        sessions=sessions,
        chat=chat,
        identity=identity,
        given=frozenset(given),
    )


def _read_fields(conf: type, given: Mapping[str, str]) -> dict[str, Any]:
    """Without those that are not set: their conf knows their default."""
    found = {name: _read_setting(setting, given) for name, setting in declared(conf)}
    return {name: value for name, value in found.items() if value is not None}


def _read_setting(setting: Setting, given: Mapping[str, str]) -> Any:
    names = [name for name in setting.variables if name in given]
    if setting.file_variable in names:
        if len(names) > 1:
            raise EnvError(f"{setting.variable} and {setting.file_variable} are both set. Unset one of them.")
        return _parse(setting, names[0], _file_text(names[0], given[names[0]]))
    return _parse(setting, names[0], given[names[0]]) if names else None


def _file_text(name: str, path: str) -> str:
    try:
        return text_of_file(path).strip()
    except (OSError, UnicodeDecodeError, RuntimeError) as error:  # the last: a ~ of nobody's
        _refuse(f"{name}={path!r}", f"the path of a text file that can be read ({error})")


def _parse(setting: Setting, name: str, text: str) -> Any:
    hidden = setting.secret or setting.or_file
    try:
        return setting.kind.parse(text) if text else None
    except ValueError as error:
        _refuse(name if hidden else f"{name}={text!r}", str(error) or setting.kind.wanted)


def _refuse(shown: str, wanted: str) -> NoReturn:
    name = shown.partition("=")[0]
    raise EnvError(
        f"{shown}: this has to be {wanted}. Correct or unset {name}, in the environment or in .env."
    ) from None


# --- the file ``.env``: nothing in a value is a reference, a ``$`` is a dollar sign ---------------------------------

_LINE = "NAME=value (quote a value that holds a blank with a '#' behind it, or a line break)"


def read_env_file(path: Path) -> dict[str, str]:
    """Names and values, quotes and comments taken off. Raises `EnvError` for a line that is no setting.

    The parser passes over such a line; a setting that is silently dropped is worse than a stop.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvError(
            f"{path.name}: cannot be read as text ({error}). Correct it or move it away."
        ) from None
    if "\x00" in text:  # no environment holds one; UTF-16 is full of them
        line = text[: text.index("\x00")].count("\n") + 1
        raise EnvError(f"{path.name}, line {line}: holds a NUL. Save the file as text in UTF-8.")
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and not _is_setting(binding.key, binding.value)):
            original = binding.original.string
            line = binding.original.line + original[: len(original) - len(original.lstrip())].count("\n")
            raise EnvError(f"{path.name}, line {line}: not {_LINE}. Correct the line or begin it with '#'.")
        if binding.key is not None and binding.value is not None:
            found[binding.key] = binding.value
    return found


def _is_setting(name: str, value: str | None) -> bool:
    return value is not None and re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) is not None


_EMPTIED = "REALTIME_AI_EMPTIED"
"""What was empty in the environment and is taken out of it. Processes that this one starts read the file as well, and would
find there what the empty value hides."""


def fill_environment(env_file: Path) -> dict[str, str]:
    """What `os.environ` lacks is taken from ``env_file``; what is empty then is taken out of it: libraries that read
    variables by themselves (uvicorn, prometheus, the vendors' SDKs) take an empty one for a value. Returns the file's.
    """
    from_file = read_env_file(env_file) if env_file.exists() else {}
    emptied = {name for name, value in os.environ.items() if not value.strip()}
    emptied.update(os.environ.get(_EMPTIED, "").split())
    for name, value in from_file.items():
        # that one would send the processes that are started to another file
        if name not in emptied and name != "ENV_FILE":
            os.environ.setdefault(name, value)
    for name in [name for name, value in os.environ.items() if not value.strip()]:
        del os.environ[name]
    if emptied:
        os.environ[_EMPTIED] = " ".join(sorted(emptied))
    return from_file


def _env_file() -> Path:
    given = os.environ.get("ENV_FILE", "").strip()
    if not given:
        return BASE_DIR / ".env"
    try:
        found = Path(given).expanduser()
        is_there = found.exists()
    except (OSError, RuntimeError) as error:  # the latter: a ~ of nobody's
        raise EnvError(
            f"ENV_FILE={given!r}: cannot be looked for ({error}). Correct or unset ENV_FILE."
        ) from None
    if not is_there:
        raise EnvError(f"ENV_FILE={given!r}: there is no such file. Correct or unset ENV_FILE.")
    return found


@cache
def load_env() -> Env:
    """This process's environment, read once. Raises `EnvError`."""
    from_file = fill_environment(_env_file())
    env = read_env(os.environ)
    told = notices(os.environ, from_file=from_file, settings=list(settings_of_all()))
    return replace(env, notices=told)

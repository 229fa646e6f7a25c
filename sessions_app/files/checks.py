"""System checks of where files are kept: settings of a bucket that are half."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from sessions_app.files.storage import ALIAS

_BUCKET = "storages.backends.s3.S3Storage"
_HINT = "docs/files.md shows them all, and for Supabase Storage where each is found."


@register("sessions")
def check_files_storage(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    entry = settings.STORAGES.get(ALIAS)
    if entry is None:
        problem = f"STORAGES has no {ALIAS!r}: pictures and files of conversations cannot be kept."
        return [Error(problem, hint="Name a storage of Django's there.", id="sessions.E010")]
    if entry["BACKEND"] != _BUCKET:
        return []
    return [Error(problem, hint=_HINT, id="sessions.E011") for problem in _problems(entry.get("OPTIONS", {}))]


def _problems(options: Mapping[str, Any]) -> Iterator[str]:
    if not options.get("bucket_name"):
        yield "FILES_BUCKET is not set, and another FILES_... is: name the bucket, or unset them all."
    if bool(options.get("access_key")) != bool(options.get("secret_key")):
        yield "FILES_ACCESS_KEY_ID and FILES_SECRET_ACCESS_KEY go together: set both, or none."
    if importlib.util.find_spec("storages") is None or importlib.util.find_spec("boto3") is None:
        yield "FILES_BUCKET needs the extra s3 (django-storages and boto3): uv pip install -r pyproject.toml --extra s3"

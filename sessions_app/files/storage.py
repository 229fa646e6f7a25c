"""Where the bytes are: Django's storage ``files``, a folder or a bucket (``STORAGES`` of the settings)."""

import secrets
from datetime import UTC, datetime

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

ALIAS = "files"


def files_storage() -> Storage:
    return storages[ALIAS]


def new_key() -> str:
    """By day, so that a folder does not hold a million names; it says nothing of the file."""
    return f"{datetime.now(UTC):%Y/%m/%d}/{secrets.token_hex(16)}"


def put(key: str, data: bytes) -> None:
    """Raises what the storage raises. The key is random: one that is taken already is a fault, and not written over."""
    kept_as = files_storage().save(key, ContentFile(data))
    if kept_as != key:
        files_storage().delete(kept_as)
        raise FileExistsError(key)


def read(key: str, *, at_most: int) -> bytes:
    """Raises what the storage raises; ValueError for one that is larger than its row says."""
    with files_storage().open(key, "rb") as file:
        data: bytes = file.read(at_most + 1)
    if len(data) > at_most:
        raise ValueError("the object in the storage is larger than it was")
    return data


def delete(key: str) -> None:
    """One that is not there is deleted already."""
    files_storage().delete(key)

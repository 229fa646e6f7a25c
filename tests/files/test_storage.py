"""The storage: a folder by default, a bucket by settings, each through the same door."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from realtime_ai.env import read_env
from realtime_ai.stores import files_storage
from sessions_app.files import storage
from sessions_app.files.checks import check_files_storage
from sessions_app.files.keeping import delete_gone, forget_files, keep_file, read_file
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import StoredFile
from tests.files.samples import png

KEYS = {"FILES_ACCESS_KEY_ID": "test", "FILES_SECRET_ACCESS_KEY": "test", "FILES_REGION": "us-east-1"}


def use(settings: Any, **env: str) -> dict[str, Any]:
    entry = files_storage(read_env(env))
    settings.STORAGES = {**settings.STORAGES, "files": entry}
    return entry


@pytest.fixture(params=["folder", "bucket", "memory"])
def anywhere(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        use(settings, VAR_DIR=str(tmp_path))
    if request.param == "bucket":
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        server.start()
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket="files")
        use(settings, FILES_BUCKET="files", FILES_ENDPOINT_URL=url, **KEYS)
        yield request.param
        server.stop()
        return
    yield request.param


@pytest.mark.django_db(transaction=True)
def test_a_file_comes_goes_and_is_gone(anywhere: str) -> None:
    row = keep_file(png(), name="a.png", owner=Visitor(guest_id="g"))
    assert read_file(row) == png()
    assert storage.files_storage().exists(row.key)
    forget_files(StoredFile.objects.all())
    delete_gone()
    assert not storage.files_storage().exists(row.key)
    storage.delete(row.key)  # again does no harm


def test_a_taken_name_is_not_written_over(settings: Any, tmp_path: Path) -> None:
    use(settings, VAR_DIR=str(tmp_path))
    key = storage.new_key()
    storage.put(key, b"first")
    with pytest.raises(FileExistsError):
        storage.put(key, b"second")
    assert storage.read(key, at_most=10) == b"first"
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_an_object_that_has_grown_is_not_read(settings: Any, tmp_path: Path) -> None:
    use(settings, VAR_DIR=str(tmp_path))
    key = storage.new_key()
    storage.put(key, b"longer")
    with pytest.raises(ValueError, match="larger"):
        storage.read(key, at_most=5)


def test_a_folder_is_its_owners_alone(settings: Any, tmp_path: Path) -> None:
    use(settings, VAR_DIR=str(tmp_path))
    key = storage.new_key()
    storage.put(key, b"x")
    modes = {(tmp_path / "files" / part).stat().st_mode & 0o077 for part in (key, str(Path(key).parent))}
    assert modes == {0}


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"FILES_ENDPOINT_URL": "https://s3.example.com"}, "FILES_BUCKET is not set"),
        ({"FILES_BUCKET": "b", "FILES_ACCESS_KEY_ID": "k"}, "go together"),
        ({"FILES_BUCKET": "b", "FILES_SECRET_ACCESS_KEY": "s"}, "go together"),
    ],
)
def test_half_a_bucket_is_an_error(settings: Any, env: dict[str, str], problem: str) -> None:
    use(settings, **env)
    found = check_files_storage(None)
    assert any(problem in str(error.msg) and error.id == "sessions.E011" for error in found)


def test_a_folder_and_a_whole_bucket_are_none(settings: Any, tmp_path: Path) -> None:
    use(settings, VAR_DIR=str(tmp_path))
    assert check_files_storage(None) == []
    entry = use(settings, FILES_BUCKET="b", **KEYS)
    assert entry["OPTIONS"]["bucket_name"] == "b"
    assert [error for error in check_files_storage(None) if "extra s3" not in str(error.msg)] == []


def test_without_a_storage_there_is_an_error(settings: Any) -> None:
    settings.STORAGES = {name: one for name, one in settings.STORAGES.items() if name != "files"}
    assert [error.id for error in check_files_storage(None)] == ["sessions.E010"]

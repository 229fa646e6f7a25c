"""The third-party files are the ones that VERSIONS names, each with its licence."""

import hashlib
import os
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent.parent / "static" / "vendor"


def listed() -> dict[str, str]:
    """File name -> sha256."""
    lines = (VENDOR / "VERSIONS").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    assert all(len(row) == 5 for row in rows)
    return {file: sha256 for _name, _version, _licence, sha256, file in rows}


def test_every_file_is_listed_with_its_hash() -> None:
    folders = (VENDOR, VENDOR.parent / "unfold")
    files = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("LICENSE", "VERSIONS")
    ]
    found = {os.path.relpath(path, VENDOR): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert found == listed()


def test_every_folder_has_its_licence() -> None:
    for file in listed():
        assert (VENDOR / file).parent.joinpath("LICENSE").stat().st_size > 500


def test_no_file_names_a_source_map_that_is_not_there() -> None:
    for file in listed():
        assert b"sourceMappingURL" not in (VENDOR / file).read_bytes()

"""Which operating-system user runs PostgreSQL, and the way it needs to its files.

PostgreSQL refuses to run as root. An ordinary user runs it as itself. Root runs it as the owner of the data, or, the
first time, as an unprivileged user that the system has already.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

_CANDIDATES = ("postgres", "nobody")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run: why, and what to do, in one line."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int
    name: str
    switch: bool
    """Whether this process is another user (root) and has to become this one."""

    def popen_options(self) -> dict[str, object]:
        """For `subprocess`: become this account, with no groups of root's."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def give(self, path: Path) -> None:
        if self.switch:
            os.chown(path, self.uid, self.gid)


def account_for(data: Path) -> Account:
    """Raises `EmbeddedPostgresError` when the data belongs to somebody this process cannot become."""
    me = os.geteuid()
    owner = data.stat().st_uid if data.exists() else None
    if me != 0:
        if owner not in (None, me):
            raise EmbeddedPostgresError(
                f"{data} belongs to another user. Run as that user, move the folder away, or set DATABASE_URL."
            )
        return Account(me, os.getegid(), str(me), switch=False)
    if owner:
        return Account(owner, data.stat().st_gid, str(owner), switch=True)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid:
            return Account(entry.pw_uid, entry.pw_gid, name, switch=True)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as. "
        "Run as an ordinary user, or set DATABASE_URL."
    )


def open_way(account: Account, target: Path) -> list[Path]:
    """Let ``account`` reach ``target``: the search bit (o+x) on each parent that lacks it. Returns those changed."""
    if not account.switch:
        return []
    changed = []
    for parent in reversed(target.parents):
        status = parent.stat()
        if not _may_search(account, status):
            parent.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
            changed.append(parent)
    return changed


def _may_search(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def open_tree(account: Account, root: Path) -> bool:
    """Let ``account`` read a tree of files that pip wrote under a strict umask. True when something was changed."""
    if not account.switch:
        return False
    changed = False
    for path in [root, *root.rglob("*")]:
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)
            changed = True
    return changed

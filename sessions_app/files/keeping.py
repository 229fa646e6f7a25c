"""Files from their arrival to their end: kept, found by their owner, used in a session, erased."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpResponse
from django.utils.cache import add_never_cache_headers
from django.utils.http import content_disposition_header

from sessions_app.conf import conf
from sessions_app.errors import FileNotFound, FileStorageAway, FileTooLarge
from sessions_app.files import storage
from sessions_app.files.kinds import PICTURES, MediaType, clean_name, kind_of
from sessions_app.ids import new_id
from sessions_app.log.events import FileRef
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import Session, StoredFile
from sessions_app.postgres.outage import is_passing

logger = logging.getLogger(__name__)

_PAGE = 100
_TYPES = {MediaType.TEXT: "text/plain; charset=utf-8"}
_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


def keep_file(data: bytes, *, name: str, owner: Visitor, session_id: str = "") -> StoredFile:
    """Look at the bytes, and keep them. ``session_id``: in which it is used at once.

    Raises `FileTooLarge`, `FileTypeRefused`, `FileBroken`, `FileStorageAway`.
    """
    if len(data) > conf().max_file_bytes:
        raise FileTooLarge(f"The file has {len(data)} bytes; at most {conf().max_file_bytes} are taken.")
    kind, whose = kind_of(data), owner.as_owner()
    row = StoredFile.objects.create(
        file_id=new_id("file"),
        user_id=whose.user_id,
        guest_id=whose.guest_id,
        external_user_id=whose.external_user_id,
        session_id=session_id,
        name=clean_name(name, kind.media_type),
        media_type=kind.media_type,
        size=len(data),
        width=kind.width,
        height=kind.height,
        pages=kind.pages,
        sha256=hashlib.sha256(data).hexdigest(),
        key=storage.new_key(),
    )
    try:
        storage.put(row.key, data)
    except Exception as error:
        logger.exception("file %s cannot be kept", row.file_id)
        forget_files(StoredFile.objects.filter(pk=row.pk))
        raise FileStorageAway from error
    # not where it was erased with its session in between
    row.stored = bool(StoredFile.objects.filter(pk=row.pk, gone_at__isnull=True).update(stored=True))
    if not row.stored:
        raise FileNotFound
    return row


def ref_of(row: StoredFile) -> FileRef:
    return FileRef(
        id=row.file_id,
        name=row.name,
        media_type=row.media_type,
        size=row.size,
        width=row.width,
        height=row.height,
        pages=row.pages,
    )


def read_file(row: StoredFile) -> bytes:
    """Raises `FileStorageAway`; `FileNotFound` where the storage has it no more."""
    try:
        return storage.read(row.key, at_most=row.size)
    except FileNotFoundError:
        raise FileNotFound from None
    except Exception as error:
        logger.exception("file %s cannot be read", row.file_id)
        raise FileStorageAway from error


def _there() -> QuerySet[StoredFile]:
    return StoredFile.objects.filter(stored=True, gone_at__isnull=True)


def unused_files(owner: Visitor) -> QuerySet[StoredFile]:
    """Those that somebody sent and put into no message; of a user's own users that one's alone, as of sessions."""
    unused = _there().filter(session_id="")
    mine = Q(pk__in=[])
    if owner.user_id is not None:
        theirs = Q(external_user_id=owner.external_user_id) if owner.external_user_id else Q()
        mine |= Q(theirs, user_id=owner.user_id)
    if owner.guest_id:
        mine |= Q(user__isnull=True, guest_id=owner.guest_id, external_user_id="")
    return unused.filter(mine)


def files_in(session_ids: Sequence[str]) -> QuerySet[StoredFile]:
    return _there().filter(session_id__in=session_ids)


def find_file(file_id: str) -> StoredFile | None:
    """Whoever's it is."""
    return _there().filter(pk=file_id).first()


_HOLD = "SELECT erased_at IS NULL FROM sessions WHERE session_id = %s FOR KEY SHARE"


def use_files(
    file_ids: Sequence[str],
    *,
    session_id: str,
    owner: Visitor,
    check: Callable[[list[FileRef]], None] = lambda _: None,
) -> list[FileRef]:
    """The files, which are the session's from now on. They were sent by whoever may enter a session of ``owner``'s, or are in
    use there already. Raises `FileNotFound`, or what ``check`` raises of them, and then none of them is.

    Before the message that names them is written: one that is refused after that leaves them with the session, which they are
    erased with.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                _HOLD, [session_id]
            )  # waits for who erases it; against the journal it holds nothing up
            held = cursor.fetchone()
        if held is not None and not held[0]:
            raise FileNotFound
        rows = {row.file_id: row for row in _there().select_for_update().filter(pk__in=file_ids)}
        found = [rows[file_id] for file_id in file_ids if file_id in rows]
        if len(found) < len(file_ids) or not all(_may_use(row, session_id, owner) for row in found):
            raise FileNotFound
        files = [ref_of(row) for row in found]
        check(files)
        StoredFile.objects.filter(pk__in=rows).update(session_id=session_id)
    return files


def _may_use(row: StoredFile, session_id: str, owner: Visitor) -> bool:
    if row.session_id:
        return row.session_id == session_id
    sender = Visitor(
        user_id=row.user_id, guest_id=row.guest_id, external_user_id=row.external_user_id
    ).as_owner()
    return sender.owns(owner, session_id)


def adopt_files(*, guest_id: str, user_id: int) -> None:
    """A guest has signed in: what they sent and did not use yet is the user's."""
    if guest_id:
        unused_files(Visitor(guest_id=guest_id)).update(user_id=user_id, guest_id="")


# The end.


def forget_files(files: QuerySet[StoredFile]) -> int:
    """In the transaction under way: nobody is shown them any more, and nothing is left of what they were called. Their bytes go
    with `delete_gone`, which is tried until it has happened. How many there were."""
    return files.filter(gone_at__isnull=True).update(
        name="", sha256="", stored=False, gone_at=Now(), user=None, guest_id="", external_user_id=""
    )


def forget_unused() -> int:
    """Those that nobody used for a day; and those of a session whose row never came to be, that was deleted by other hands than
    ours, or that was erased while they arrived: nothing else would end them."""
    old = StoredFile.objects.filter(created_at__lt=Now() - timedelta(hours=conf().unused_file_hours))
    session = Session.objects.filter(pk=OuterRef("session_id"), erased_at__isnull=True)
    lost = old.exclude(session_id="").filter(~Exists(session))
    return forget_files(old.filter(session_id="")) + forget_files(lost)


def delete_gone() -> bool:
    """Take the bytes of those that were erased out of the storage, a page of them; whether there may be more. One that cannot
    be deleted now keeps its row, and is tried again with the next round."""
    gone = list(StoredFile.objects.filter(gone_at__isnull=False).order_by("gone_at")[:_PAGE])
    done = {row.pk for row in gone if _deleted(row)}
    StoredFile.objects.filter(pk__in=done).delete()
    StoredFile.objects.filter(pk__in={row.pk for row in gone} - done).update(
        gone_at=Now()
    )  # behind the others
    return len(done) == _PAGE


def _deleted(row: StoredFile) -> bool:
    try:
        storage.delete(row.key)
    except Exception as error:
        if is_passing(error):
            raise
        logger.exception("file %s: its bytes cannot be deleted yet", row.pk)
        return False
    return True


def file_response(row: StoredFile) -> HttpResponse:
    """Pictures in their place, everything else as a download. Raises `FileNotFound`, `FileStorageAway`."""
    media_type = MediaType(row.media_type)
    response = HttpResponse(read_file(row), content_type=_TYPES.get(media_type, media_type.value))
    in_place = media_type in PICTURES
    disposition = content_disposition_header(as_attachment=not in_place, filename=row.name or row.file_id)
    response["Content-Disposition"] = disposition or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = _POLICY
    add_never_cache_headers(response)
    return response

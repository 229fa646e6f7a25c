"""Whose files are whose, what a session takes into use, and how they end."""

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import storages
from django.db import connection, transaction
from django.utils import timezone

from identity.adoption import connect_signals
from sessions_app import hooks
from sessions_app.errors import FileNotFound, FileStorageAway, FileTooLarge
from sessions_app.files import storage
from sessions_app.files.keeping import (
    adopt_files,
    delete_gone,
    find_file,
    forget_files,
    forget_unused,
    keep_file,
    read_file,
    unused_files,
    use_files,
)
from sessions_app.log import events as ev
from sessions_app.log.events import FileRef
from sessions_app.log.lifecycle import Visitor
from sessions_app.models import EraseActor, Session, SessionStatus, StoredFile
from sessions_app.privacy.erase import By, delete_session, erase_person, erase_session
from sessions_app.privacy.export import export_person
from sessions_app.privacy.people import Person
from tests.admin.rows import done, message, started, write_session
from tests.files.samples import jpeg, png

pytestmark = pytest.mark.django_db(transaction=True)

ADA, BOB = Visitor(guest_id="a" * 32), Visitor(guest_id="b" * 32)
STAFF = By(actor=EraseActor.STAFF)


def kept(owner: Visitor = ADA, **more: Any) -> StoredFile:
    return keep_file(png(), name="bike.png", owner=owner, **more)


def in_storage(row: StoredFile) -> bool:
    return storages["files"].exists(row.key)


def talk(session_id: str = "s1", *file_ids: str, **fields: Any) -> None:
    files = [FileRef(id=one, name="bike.png", media_type="image/png", size=1) for one in file_ids]
    events: list[ev.Event] = [
        ev.UserMessage(item_id="item_u", text="What is this?", files=files),
        started(),
        message("A bike"),
        done(),
    ]
    write_session(events, session_id=session_id, status=SessionStatus.ENDED, **fields)


def test_what_is_kept_is_given_back_byte_for_byte() -> None:
    row = kept()
    assert (row.name, row.media_type, row.size, row.width, row.height) == (
        "bike.png",
        "image/png",
        len(png()),
        4,
        3,
    )
    assert read_file(row) == png()
    assert "bike" not in row.key


def test_a_file_beyond_the_bound_is_refused_and_leaves_nothing(settings: Any) -> None:
    settings.SESSIONS_MAX_FILE_BYTES = len(png()) - 1
    with pytest.raises(FileTooLarge, match=str(len(png()))):
        kept()
    assert not StoredFile.objects.exists()


def test_a_file_that_the_storage_refuses_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(storage, "put", away)
    with pytest.raises(FileStorageAway):
        kept()
    row = StoredFile.objects.get()
    assert (row.gone_at is not None, row.name, find_file(row.pk)) == (True, "", None)


def test_only_its_own_sees_an_unused_file() -> None:
    shop = User.objects.create_user("shop")
    customer = Visitor(user_id=shop.pk, external_user_id="c1")
    mine, theirs = kept(), kept(customer)
    assert list(unused_files(ADA)) == [mine]
    assert list(unused_files(BOB)) == []
    assert list(unused_files(Visitor())) == []
    assert list(unused_files(customer)) == [theirs]
    assert list(unused_files(Visitor(user_id=shop.pk, external_user_id="c2"))) == []
    assert list(unused_files(Visitor(user_id=shop.pk))) == [theirs]


def test_a_session_uses_its_owners_files_and_no_others() -> None:
    row, stranger = kept(), kept(BOB)
    with pytest.raises(FileNotFound):
        use_files([row.pk, stranger.pk], session_id="s1", owner=ADA)
    assert find_file(row.pk).session_id == ""  # type: ignore[union-attr]  # none of them, where one is not theirs
    [ref] = use_files([row.pk], session_id="s1", owner=ADA)
    assert ref == FileRef(
        id=row.pk, name="bike.png", media_type="image/png", size=len(png()), width=4, height=3
    )
    assert use_files([row.pk], session_id="s1", owner=ADA) == [ref], "again in the same session"
    with pytest.raises(FileNotFound):
        use_files([row.pk], session_id="s2", owner=ADA)
    assert list(unused_files(ADA)) == []


def test_a_customers_file_is_for_no_other_customer() -> None:
    shop = User.objects.create_user("shop")
    row = kept(Visitor(user_id=shop.pk, external_user_id="c1"))
    with pytest.raises(FileNotFound):
        use_files([row.pk], session_id="s1", owner=Visitor(user_id=shop.pk, external_user_id="c2"))
    assert use_files([row.pk], session_id="s1", owner=Visitor(user_id=shop.pk, external_user_id="c1"))


def test_nobodys_file_is_for_nobody() -> None:
    row = kept(Visitor())
    with pytest.raises(FileNotFound):
        use_files([row.pk], session_id="s1", owner=Visitor())


def test_what_is_refused_of_them_leaves_them_unused() -> None:
    row = kept()

    def refuse(files: list[FileRef]) -> None:
        raise ValueError(files[0].name)

    with pytest.raises(ValueError, match="bike"):
        use_files([row.pk], session_id="s1", owner=ADA, check=refuse)
    assert list(unused_files(ADA)) == [row]


@pytest.mark.parametrize("end", [erase_session, delete_session])
def test_files_go_with_their_session(end: Any) -> None:
    row, other = kept(), kept()
    use_files([row.pk], session_id="s1", owner=ADA)
    talk("s1", row.pk, guest_id=ADA.guest_id)
    assert end(session_id="s1", by=STAFF)
    gone = StoredFile.objects.get(pk=row.pk)
    assert (gone.name, gone.sha256, gone.guest_id, find_file(row.pk)) == ("", "", "", None)
    assert in_storage(row), "its bytes go after the commit"
    assert not delete_gone()
    assert not in_storage(row)
    assert list(StoredFile.objects.all()) == [other]
    assert in_storage(other)


def test_an_erasure_that_fails_keeps_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    row = kept()
    use_files([row.pk], session_id="s1", owner=ADA)
    talk("s1", row.pk)

    def fails(_session_id: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hooks, "session_erased", fails)
    with pytest.raises(ZeroDivisionError):
        erase_session(session_id="s1", by=STAFF)
    assert find_file(row.pk) is not None
    delete_gone()
    assert read_file(row) == png()


def test_who_uses_a_file_waits_for_who_erases_its_session() -> None:
    row, outcome = kept(), list[str]()
    talk("s1", guest_id=ADA.guest_id)

    def use() -> None:
        try:
            use_files([row.pk], session_id="s1", owner=ADA)
            outcome.append("used")
        except FileNotFound:
            outcome.append("refused")
        finally:
            connection.close()

    with transaction.atomic():
        erase_session(session_id="s1", by=STAFF)
        user = Thread(target=use)
        user.start()
        user.join(0.3)
        assert outcome == [], "it waits"
    user.join(10)
    assert outcome == ["refused"]


def test_bytes_that_cannot_be_deleted_now_are_tried_again_behind_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck, free = kept(), kept()
    forget_files(StoredFile.objects.all())
    delete = storage.delete

    def sometimes(key: str) -> None:
        if key == stuck.key:
            raise OSError("the storage is away")
        delete(key)

    with monkeypatch.context() as away:
        away.setattr(storage, "delete", sometimes)
        delete_gone()
        assert [in_storage(stuck), in_storage(free)] == [True, False]
        assert list(StoredFile.objects.all()) == [stuck]
    delete_gone()
    assert not in_storage(stuck)
    assert not StoredFile.objects.exists()


def test_what_nobody_used_for_a_day_goes() -> None:
    old, used, new = kept(), kept(), kept()
    talk("s1", used.pk)
    use_files([used.pk], session_id="s1", owner=ADA)
    StoredFile.objects.exclude(pk=new.pk).update(created_at=timezone.now() - timedelta(hours=25))
    assert forget_unused() == 1
    assert [find_file(one.pk) is not None for one in (old, used, new)] == [False, True, True]


def test_what_no_session_has_goes_as_well() -> None:
    """A process died before the session's row was written; rows were deleted by SQL; an erasure was faster than a slow upload."""
    for session_id in ("s1", "deleted", "erased"):
        talk(session_id, guest_id=ADA.guest_id)
    of = {name: kept(session_id=name) for name in ("s1", "never written", "deleted")}
    erase_session(session_id="erased", by=STAFF)
    of["erased"] = kept(session_id="erased")
    Session.objects.filter(pk="deleted").delete()
    assert forget_unused() == 0
    StoredFile.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert forget_unused() == 3
    delete_gone()
    assert [name for name, row in of.items() if in_storage(row)] == ["s1"]


def test_whoever_is_forgotten_is_forgotten_with_what_they_did_not_use() -> None:
    mine, theirs = kept(), kept(BOB)
    erase_person(person=Person(guest_id=ADA.guest_id), by=STAFF)
    assert [find_file(one.pk) is not None for one in (mine, theirs)] == [False, True]


def test_a_guest_who_signs_in_keeps_what_they_sent() -> None:
    user = User.objects.create_user("ada")
    row, other = kept(), kept(BOB)
    adopt_files(guest_id=ADA.guest_id, user_id=user.pk)
    assert list(unused_files(Visitor(user_id=user.pk))) == [row]
    assert list(unused_files(ADA)) == []
    assert list(unused_files(BOB)) == [other]


def test_with_an_account_goes_what_it_did_not_use() -> None:
    connect_signals()
    user = User.objects.create_user("ada")
    unused, used = kept(Visitor(user_id=user.pk)), kept(Visitor(user_id=user.pk))
    use_files([used.pk], session_id="s1", owner=Visitor(user_id=user.pk))
    user.delete()
    assert [find_file(one.pk) is not None for one in (unused, used)] == [False, True]


def test_who_takes_their_words_along_is_told_of_their_files() -> None:
    row = keep_file(jpeg(), name="photo.jpg", owner=ADA)
    use_files([row.pk], session_id="s1", owner=ADA)
    talk("s1", row.pk, guest_id=ADA.guest_id)
    told = "".join(export_person(Person(guest_id=ADA.guest_id)))
    assert f'"href":"/api/files/{row.pk}"' in told
    assert '"name":"photo.jpg"' in told

from django.core import signing
from django.test import override_settings

from identity.guests import MAX_AGE_S, issue_guest_id, read_guest_cookie, sign_guest_id


def test_a_signed_id_comes_back() -> None:
    guest_id = issue_guest_id()
    assert len(guest_id) == 32
    assert read_guest_cookie(sign_guest_id(guest_id)) == guest_id


def test_a_cookie_given_out_by_any_release_is_still_read() -> None:
    guest_id = issue_guest_id()
    assert read_guest_cookie(signing.TimestampSigner(salt="chat.guest_cookie").sign(guest_id)) == guest_id


def test_ids_are_not_repeated() -> None:
    assert len({issue_guest_id() for _ in range(1000)}) == 1000


def test_what_we_did_not_sign_is_nobody() -> None:
    guest_id = issue_guest_id()
    signed = sign_guest_id(guest_id)
    elsewhere = signing.TimestampSigner(salt="elsewhere").sign(guest_id)
    for value in (None, "", guest_id, signed[:-1], "0" * 32 + signed[32:], elsewhere, "a:b:c", "\x00"):
        assert read_guest_cookie(value) is None


def test_an_id_that_is_none_of_ours_is_nobody_even_when_signed() -> None:
    for text in ("", "x" * 32, "a" * 31, "a" * 33, "A" * 32, "a" * 32 + "\n"):
        assert read_guest_cookie(sign_guest_id(text)) is None


def test_a_cookie_lives_a_year(monkeypatch: object) -> None:
    signed = sign_guest_id(issue_guest_id())
    with override_settings(SECRET_KEY="another-secret-" + "0123456789" * 4):
        assert read_guest_cookie(signed) is None
    assert MAX_AGE_S == 31_536_000

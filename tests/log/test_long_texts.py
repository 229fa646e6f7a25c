"""No text is too long, or has too many words, for the log: what an index cannot hold does not cost the event."""

import random
from collections.abc import Callable

import pytest

from sessions_app.ids import new_id, uuid7
from sessions_app.log import events as ev
from sessions_app.log.lifecycle import Visitor, append_now, open_session
from sessions_app.log.replay import read_records
from sessions_app.selectors.search import search_sessions

pytestmark = pytest.mark.django_db

CHARS = 4_000_000
LETTERS = [chr(code) for code in range(0x10400, 0x104FF) if chr(code).isalpha()]
"""Four bytes each in UTF-8."""


def words(chance: random.Random) -> str:
    return f"{chance.getrandbits(64):x} "


def letters_with_hyphens(chance: random.Random) -> str:
    return "-".join(chance.choices(LETTERS, k=2)) + " "


def words_with_hyphens(chance: random.Random) -> str:
    return "-".join("".join(chance.choices(LETTERS, k=2)) for _ in range(12)) + " "


def addresses(chance: random.Random) -> str:
    return (
        f"https://{chance.getrandbits(24):x}.example/{chance.getrandbits(32):x}/{chance.getrandbits(32):x} "
    )


def numbers(chance: random.Random) -> str:
    return f"-{chance.random():.3e} "


def without_a_space(chance: random.Random) -> str:
    return chr(0x4E00 + chance.randrange(20_000))


@pytest.mark.parametrize(
    "kind", [words, letters_with_hyphens, words_with_hyphens, addresses, numbers, without_a_space]
)
def test_a_text_of_any_kind_is_stored_whole_and_found_by_its_beginning(
    kind: Callable[[random.Random], str],
) -> None:
    chance, pieces, length = random.Random(7), ["zebra "], 0
    while length < CHARS:
        pieces.append(kind(chance))
        length += len(pieces[-1])
    text = "".join(pieces)
    session_id, guest = uuid7(), Visitor(guest_id="g1")
    opened = open_session(session_id=session_id, visitor=guest, process_id="p1", model="demo")
    said: list[ev.Event] = [
        ev.UserMessage(item_id=new_id("item"), text=text),
        ev.AssistantMessage(
            response_id=new_id("resp"), item_id=new_id("item"), output_index=0, text=text[::-1]
        ),
    ]
    append_now(session_id=session_id, epoch=opened.epoch, last_seq=0, events=said)
    told = [read_records(session_id=session_id, after=seq)[0].event for seq in range(len(said))]
    assert told == said
    found = search_sessions(text="zebra", user_id=None, guest_id="g1")
    assert [(one.session_id, one.messages) for one in found.matches] == [(session_id, 1)]
    assert "zebra" in found.matches[0].snippet

"""Limits of one user, guest or address: in one process by memory, among processes by the database."""

import asyncio
import urllib.request
from typing import Any

import pytest
from django.contrib.auth.models import User

from chat.errors import LimitReached, TooManySockets
from chat.quota.quotas import Measure, Quotas
from chat.quota.subjects import Kind, Subject, network_of, payers_of
from sessions_app.limits.levels import Bound, Used, add, clean_up, give_back, hold, take
from sessions_app.limits.models import Hold, Level
from sessions_app.postgres.threads import in_db_thread
from tests.admin.conftest import signed_in
from tests.sockets.conftest import StartServer, start_server
from tests.support.sockets import plain, realtime
from tests.support.waiting import eventually

__all__ = ["start_server"]

ADA = ("user:1",)
HOUR = Bound(most=4, window_s=3600)


def ask(quotas: Quotas, payers: tuple[str, ...], times: int = 1) -> int:
    """How many of them went through."""
    for done in range(times):
        try:
            quotas.ask(payers)
        except LimitReached:
            return done
    return times


def test_a_guest_is_counted_by_cookie_and_by_address_and_a_user_as_such() -> None:
    address = Subject(Kind.ADDRESS, "203.0.113.7")
    assert payers_of([Subject(Kind.USER, "5"), address]) == ("user:5",)
    assert payers_of([Subject(Kind.KEY, "k1"), address]) == ("key:k1",)
    assert payers_of([Subject(Kind.GUEST, "abc"), address]) == ("guest:abc", "address:203.0.113.7")
    assert payers_of([address]) == ("address:203.0.113.7",)
    assert payers_of([Subject(Kind.USER, "5"), address], is_anonymous=True) == (
        "user:5",
        "address:203.0.113.7",
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_address_of_ipv6_stands_for_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_questions_are_bounded_and_what_is_left_is_told(settings: Any) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE = 3
    quotas = Quotas()
    assert ask(quotas, ADA, 5) == 3
    left = quotas.left(ADA)
    assert [(one.measure, one.limit, round(one.remaining), round(one.reset_s)) for one in left] == [
        ("requests", 3, 0, 60)
    ]
    with pytest.raises(LimitReached, match=r"messages in a minute.*in (19|20) s"):
        quotas.ask(ADA)
    assert ask(quotas, ("user:2",)) == 1


def test_another_cookie_is_no_other_address(settings: Any) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE = 2
    quotas = Quotas()
    done = sum(ask(quotas, (f"guest:{number}", "address:203.0.113.7"), 3) for number in range(30))
    assert done == 20
    assert ask(quotas, ("guest:x", "address:203.0.113.8")) == 1


def test_a_question_that_is_refused_is_not_counted(settings: Any) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE, settings.CHAT_TOKENS_PER_MINUTE = 10, 100
    quotas = Quotas()
    quotas.spent(ADA, tokens=150, microusd=0)
    assert ask(quotas, ADA, 3) == 0
    assert [round(one.remaining) for one in quotas.left(ADA)] == [10, 0]


def test_what_a_guests_address_costs_is_bounded_though_the_cookie_is_new(settings: Any) -> None:
    settings.CHAT_BUDGET_USER_DAY_USD = 0.5
    quotas = Quotas()
    for number in range(10):
        payers = (f"guest:{number}", "address:203.0.113.7")
        assert ask(quotas, payers) == 1
        quotas.spent(payers, tokens=0, microusd=500_001)
    with pytest.raises(LimitReached, match="cost in a day"):
        quotas.ask(("guest:new", "address:203.0.113.7"))
    assert quotas.left(payers) == []


def test_no_bound_no_word() -> None:
    quotas = Quotas()
    assert (ask(quotas, ADA, 1000), quotas.left(ADA)) == (1000, [])


def test_sockets_of_a_person_are_bounded_and_given_back(settings: Any) -> None:
    settings.CHAT_MAX_SOCKETS_PER_USER = 2
    quotas, ada = Quotas(), [Subject(Kind.USER, "1")]
    with quotas.sockets(ada), quotas.sockets(ada), pytest.raises(TooManySockets), quotas.sockets(ada):
        pass
    with quotas.sockets(ada), quotas.sockets(ada):
        pass


@pytest.mark.django_db(transaction=True)
async def test_two_processes_come_to_know_what_the_other_let_through(settings: Any) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE, settings.CHAT_MAX_SOCKETS_PER_USER = 8, 2
    one, two = Quotas(), Quotas()
    assert (ask(one, ADA, 5), ask(two, ADA, 2)) == (5, 2)
    for quotas, name in ((one, "one"), (two, "two"), (one, "one")):
        await quotas.exchange(name)
    assert (ask(one, ADA, 5), ask(two, ADA, 5)) == (1, 1)
    ada = [Subject(Kind.USER, "1")]
    with one.sockets(ada):
        with two.sockets(ada):
            await one.exchange("one")
            await two.exchange("two")
            with pytest.raises(TooManySockets), two.sockets(ada):
                pass
        await two.exchange("two")
        await one.exchange("one")
        with one.sockets(ada):
            pass
    settings.CHAT_MAX_CONNECTS_PER_10_SECONDS = 5
    for quotas in (one, two):
        for _ in range(3):
            quotas.connect("203.0.113.7")
    await one.exchange("one")
    await two.exchange("two")
    with pytest.raises(TooManySockets):
        two.connect("203.0.113.7")
    two.connect("203.0.113.8")


@pytest.mark.django_db(transaction=True)
async def test_who_is_far_from_every_bound_costs_no_query(settings: Any) -> None:
    settings.CHAT_MESSAGES_PER_MINUTE = 1000
    quotas = Quotas()
    quotas.ask(ADA)
    with quotas.sockets([Subject(Kind.USER, "1")]):
        await quotas.exchange("one")
    assert await in_db_thread(lambda: (Level.objects.count(), Hold.objects.count())) == (0, 0)


@pytest.mark.django_db(transaction=True)
async def test_what_was_not_told_is_told_later(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from chat.quota import quotas as module
    from sessions_app.errors import DatabaseAway

    settings.CHAT_MESSAGES_PER_MINUTE = 8
    one, two = Quotas(), Quotas()
    ask(one, ADA, 6)

    async def away(*_: Any) -> None:
        raise DatabaseAway

    with monkeypatch.context() as patched:
        patched.setattr(module, "in_db_thread", away)
        await one.exchange("one")
    assert ask(two, ADA) == 1
    await one.exchange("one")
    await two.exchange("two")
    assert ask(two, ADA, 5) == 1


@pytest.mark.django_db(transaction=True)
async def test_what_is_told_again_counts_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away in the middle of an exchange."""
    from chat.quota import levels
    from sessions_app.errors import DatabaseAway

    def away(*_: Any) -> None:
        raise DatabaseAway

    settings.CHAT_TOKENS_PER_MINUTE = 1000
    quotas = Quotas()
    with quotas.sockets([Subject(Kind.USER, "1")]):
        quotas.spent(ADA, tokens=400, microusd=0)
        with monkeypatch.context() as patched:
            patched.setattr(levels, "hold", away)
            await quotas.exchange("one")
        await quotas.exchange("one")
    (tokens,) = quotas.left(ADA)
    assert tokens.remaining > 500


@pytest.mark.django_db(transaction=True)
def test_the_last_place_goes_to_one_of_two() -> None:
    assert [take("a", HOUR).ok for _ in range(5)] == [True] * 4 + [False]
    refused = take("a", HOUR)
    assert 890 < refused.wait_s <= 900
    give_back("a", HOUR)
    assert take("a", HOUR).ok
    assert add([Used(subject="a", amount=2, bound=HOUR)])["a"] == pytest.approx(6, abs=0.01)


@pytest.mark.django_db(transaction=True)
def test_more_than_all_of_it_is_not_taken_from_whoever_comes_first_either() -> None:
    refused = take("big", HOUR, 5)
    assert not refused.ok
    assert refused.wait_s > 0
    assert take("big", HOUR, 4).ok


@pytest.mark.django_db(transaction=True)
def test_what_counts_for_nothing_any_more_is_taken_out() -> None:
    take("old", Bound(most=1, window_s=0.000_001))
    take("new", HOUR)
    hold("one", {"user:1": 2})
    clean_up()
    assert list(Level.objects.values_list("subject", flat=True)) == ["new"]
    assert hold("two", {"user:1": 1}) == {"user:1": 2}
    assert hold("one", {}) == {}
    assert hold("two", {"user:1": 1}) == {}


# On the wire


async def test_a_client_is_told_what_is_left(start_server: StartServer) -> None:
    server = start_server(MESSAGES_PER_MINUTE="2", TOKENS_PER_MINUTE="100000")
    async with realtime(server.ws_url) as client:
        await client.ask("count to 3")
        await client.ask("count to 3")
        told = [frame["rate_limits"] for frame in client.frames if frame["type"] == "rate_limits.updated"]
    assert [(frame[0]["name"], frame[0]["limit"], frame[0]["remaining"]) for frame in told] == [
        ("requests", 20, 19),
        ("requests", 20, 18),
    ]
    assert told[1][1]["name"] == "tokens"


async def test_a_user_is_held_up_whichever_process_and_socket(start_server: StartServer) -> None:
    servers = [start_server(MESSAGES_PER_MINUTE="4") for _ in range(2)]
    user = await in_db_thread(lambda: User.objects.create_user("ada"))
    cookies = (await in_db_thread(lambda: signed_in(user))).cookies
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())

    async def asked(number: int) -> str:
        server = servers[number % 2]
        headers = {"Cookie": cookie, "Origin": server.url}
        async with realtime(server.ws_url, additional_headers=headers) as client:
            await client.say("count to 2")
            while (frame := await client.recv())["type"] not in ("response.done", "error"):
                pass
            return str(frame.get("error", {}).get("code", "done"))

    done = 0

    async def refused_everywhere() -> None:
        nonlocal done
        codes = [await asked(0), await asked(1)]
        done += codes.count("done")
        assert codes == ["rate_limit_exceeded"] * 2

    await eventually(refused_everywhere, timeout_s=20)
    assert done <= 4 + 4

    told = await asyncio.to_thread(headers_of, f"{servers[0].url}/api/sessions", cookie)
    assert told["x-ratelimit-limit-requests"] == "4"
    assert told["x-ratelimit-remaining-requests"] == "0"
    assert float(told["x-ratelimit-reset-requests"].removesuffix("s")) > 30


def headers_of(url: str, cookie: str) -> Any:
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"Cookie": cookie}), timeout=10
    ) as answer:
        return answer.headers


async def test_a_plain_client_is_told_as_well(start_server: StartServer) -> None:
    server = start_server(MESSAGES_PER_MINUTE="1")
    user = await in_db_thread(lambda: User.objects.create_user("ada"))
    cookies = (await in_db_thread(lambda: signed_in(user))).cookies
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    async with plain(server.ws_url, additional_headers={"Cookie": cookie, "Origin": server.url}) as client:
        await client.send("count to 2")
        await client.send("count to 2")
        assert "in a minute is reached. Try again in" in await client.until("[error] rate_limit_exceeded")


def test_each_measure_has_its_sentence() -> None:
    assert all(str(LimitReached.of(measure, wait_s=3)).endswith("in 3 s.") for measure in Measure)

"""Who is asked, how often, and who is asked next."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from pytest_django import Settings

from chat.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelContextTooLong,
    ModelCredentials,
    ModelNotFound,
    ModelOverloaded,
    ModelQuota,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
    ProviderError,
)
from chat.llm import route
from chat.llm.catalog import Candidate
from chat.llm.provider import ModelEvent
from chat.llm.route import FailedAttempt, Route
from chat.testing import Round, ScriptedModel
from tests.providers.rounds import joined, request
from tests.support.waiting import eventually

AGAIN = [ModelQuota, ModelOverloaded, ModelUnreachable, ModelTimeout, ModelBadAnswer]
NEXT = [ModelCredentials, ModelNotFound]
NEVER = [ModelRefused, ModelContextTooLong, ModelBadRequest]


@pytest.fixture(autouse=True)
def quick(settings: Settings) -> Iterator[None]:
    settings.CHAT_MODEL_ATTEMPTS, settings.CHAT_MODEL_RETRY_SECONDS = 3, 0.0
    route.forget()
    yield
    route.forget()


def candidate(name: str, *rounds: Round) -> tuple[Candidate, ScriptedModel]:
    model = ScriptedModel(*rounds)
    return Candidate(f"scripted:{name}", model, name), model


class Journey:
    """A route, what it gave and what it told."""

    def __init__(self, *candidates: Candidate) -> None:
        self.told: list[FailedAttempt] = []
        self.route = Route(candidates, on_failure=self.told.append)
        self.events: list[ModelEvent] = []

    async def go(self) -> "Journey":
        async with aclosing(self.route.stream(request("Hi"))) as stream:
            async for event in stream:
                self.events.append(event)
        return self

    async def fail(self) -> ProviderError:
        with pytest.raises(ProviderError) as failed:
            await self.go()
        return failed.value

    @property
    def steps(self) -> list[tuple[str, int, str]]:
        return [(one.spec[9:], one.attempt, one.next_spec[9:]) for one in self.told]


async def test_the_first_model_answers_by_its_own_name() -> None:
    (first, one), (second, two) = candidate("a", ["Hel", "lo"]), candidate("b")
    journey = await Journey(first, second).go()
    assert joined(journey.events) == "Hello"
    assert [asked.model for asked in one.requests] == ["a"]
    assert (two.requests, journey.told) == ([], [])


@pytest.mark.parametrize("error", AGAIN)
async def test_what_may_pass_is_asked_again_then_the_next_model(error: type[ProviderError]) -> None:
    (first, one), (second, two) = candidate("a", [error()], [error()], [error()]), candidate("b", ["Hi"])
    journey = await Journey(first, second).go()
    assert joined(journey.events) == "Hi"
    assert (len(one.requests), len(two.requests)) == (3, 1)
    assert journey.steps == [("a", 1, "a"), ("a", 2, "a"), ("a", 3, "b")]
    assert {told.error.code for told in journey.told} == {error.code}
    assert journey.route.current is second


async def test_an_answer_at_the_second_attempt_stays_with_its_model() -> None:
    (first, one), (second, two) = candidate("a", [ModelOverloaded()], ["Hi"]), candidate("b")
    journey = await Journey(first, second).go()
    assert joined(journey.events) == "Hi"
    assert (len(one.requests), two.requests, journey.route.current) == (2, [], first)


@pytest.mark.parametrize("error", NEXT)
async def test_a_bad_key_and_an_unknown_model_go_to_the_next_at_once(error: type[ProviderError]) -> None:
    (first, one), (second, _) = candidate("a", [error()]), candidate("b", ["Hi"])
    journey = await Journey(first, second).go()
    assert joined(journey.events) == "Hi"
    assert journey.steps == [("a", 1, "b")]
    assert len(one.requests) == 1


@pytest.mark.parametrize("error", NEVER)
async def test_what_no_retry_helps_ends_the_response(error: type[ProviderError]) -> None:
    (first, one), (second, two) = candidate("a", [error()]), candidate("b", ["Hi"])
    journey = Journey(first, second)
    assert type(await journey.fail()) is error
    assert journey.steps == [("a", 1, "")]
    assert (len(one.requests), two.requests) == (1, [])


async def test_after_the_first_word_nothing_is_asked_again() -> None:
    (first, one), (second, two) = candidate("a", ["Hel", ModelOverloaded()]), candidate("b", ["Hi"])
    journey = Journey(first, second)
    assert type(await journey.fail()) is ModelOverloaded
    assert joined(journey.events) == "Hel"
    assert (len(one.requests), two.requests, journey.steps) == (1, [], [("a", 1, "")])


async def test_the_last_error_of_the_last_model_is_the_responses() -> None:
    (first, _), (second, _) = candidate("a", [ModelCredentials()]), candidate("b", [ModelNotFound()])
    journey = Journey(first, second)
    assert type(await journey.fail()) is ModelNotFound
    assert journey.steps == [("a", 1, "b"), ("b", 1, "")]
    assert journey.route.current is second


async def test_who_answered_answers_the_whole_response() -> None:
    """Its later rounds are asked again, but of nobody else."""
    (first, _), (second, two) = candidate("a"), candidate("b")
    first, one = candidate("a", ["Round one"], *_overloads(3))
    journey = await Journey(first, second).go()
    assert type(await journey.fail()) is ModelOverloaded
    assert (len(one.requests), two.requests) == (4, [])
    assert journey.route.current is first


async def test_a_fallback_that_answered_is_asked_first_in_the_next_round() -> None:
    (first, one), (second, two) = candidate("a", [ModelCredentials()]), candidate("b", ["One"], ["Two"])
    journey = await (await Journey(first, second).go()).go()
    assert joined(journey.events) == "OneTwo"
    assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_attempts_are_bounded_by_the_setting(settings: Settings) -> None:
    settings.CHAT_MODEL_ATTEMPTS = 1
    first, one = candidate("a", [ModelOverloaded()])
    await Journey(first).fail()
    assert len(one.requests) == 1


async def test_no_wait_goes_beyond_the_total(settings: Settings) -> None:
    settings.CHAT_MODEL_RETRY_SECONDS, settings.CHAT_MODEL_RETRY_TOTAL_SECONDS = 1000.0, 20.0
    (first, one), (second, two) = candidate("a", [ModelOverloaded()]), candidate("b", ["Hi"])
    async with asyncio.timeout(10):
        await Journey(first, second).go()
    assert (len(one.requests), len(two.requests)) == (1, 1)


async def test_waits_double_and_half_of_each_is_random(settings: Settings) -> None:
    settings.CHAT_MODEL_RETRY_SECONDS, settings.CHAT_MODEL_ATTEMPTS = 0.02, 4
    first, one = candidate("a", *_overloads(4))
    journey = Journey(first)
    await journey.fail()
    for told, most_s in zip(journey.told, (0.02, 0.04, 0.08), strict=False):
        assert most_s / 2 <= told.delay_s <= most_s
    gaps = [later - earlier for earlier, later in zip(one.asked_at, one.asked_at[1:], strict=False)]
    assert all(gap >= told.delay_s * 0.9 for gap, told in zip(gaps, journey.told, strict=False))


# The vendor's hint


async def test_a_hint_is_waited_for_where_there_is_no_other_model() -> None:
    first, one = candidate("a", [ModelQuota(retry_after_s=0.2)], ["Hi"])
    journey = await Journey(first).go()
    assert joined(journey.events) == "Hi"
    assert one.asked_at[1] - one.asked_at[0] >= 0.19
    assert journey.told[0].delay_s >= 0.2


async def test_a_hint_that_is_too_long_is_told_at_once() -> None:
    first, one = candidate("a", [ModelQuota(retry_after_s=1000.0)])
    async with asyncio.timeout(10):
        error = await Journey(first).fail()
    assert (type(error), error.retry_after_s, len(one.requests)) == (ModelQuota, 1000.0, 1)


@pytest.mark.parametrize("error", [ModelQuota, ModelOverloaded])
async def test_a_hint_leads_straight_to_the_fallback_and_the_next_responses_too(
    error: type[ProviderError],
) -> None:
    (first, one), (second, two) = (
        candidate("a", [error(retry_after_s=30.0)], ["late"]),
        candidate("b", ["1"], ["2"]),
    )
    journey = await Journey(first, second).go()
    assert journey.steps == [("a", 1, "b")]
    later = await Journey(first, second).go()
    assert later.steps == [("a", 0, "b")]
    assert "to be left alone" in later.told[0].error.cause
    assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_a_model_that_has_cooled_off_is_asked_again() -> None:
    (first, one), (second, _) = (
        candidate("a", [ModelQuota(retry_after_s=0.05)], ["Back"]),
        candidate("b", ["1"]),
    )
    await Journey(first, second).go()

    async def cooled_off() -> None:
        assert route.cooldown_error(first.spec) is None

    await eventually(cooled_off)
    assert joined((await Journey(first, second).go()).events) == "Back"
    assert len(one.requests) == 2


async def test_without_a_fallback_a_model_in_cooldown_is_not_hammered() -> None:
    first, one = candidate("a", [ModelQuota(retry_after_s=1000.0)], ["never"])
    await Journey(first).fail()
    error = await Journey(first).fail()
    assert type(error) is ModelQuota
    assert 0 < (error.retry_after_s or 0) <= route.MAX_COOLDOWN_S
    assert len(one.requests) == 1


async def test_without_a_hint_nothing_is_remembered() -> None:
    first, _ = candidate("a", [ModelOverloaded()])
    route.begin_cooldown(first.spec, ModelOverloaded())
    route.begin_cooldown(first.spec, ModelTimeout(retry_after_s=9.0))
    assert route.cooldown_error(first.spec) is None


async def test_a_quota_that_is_spent_is_asked_once_and_remembered() -> None:
    first, one = candidate("a", [ModelQuota(cause="insufficient_quota: Pay.", ask_again=False)], ["never"])
    journey = Journey(first)
    assert type(await journey.fail()) is ModelQuota
    assert journey.steps == [("a", 1, "")]
    error = await Journey(first).fail()
    assert (type(error), len(one.requests)) == (ModelQuota, 1)
    assert "insufficient_quota: Pay." in error.cause


async def test_a_quota_that_is_spent_leads_to_the_fallback() -> None:
    (first, one), (second, two) = candidate("a", [ModelQuota(ask_again=False)]), candidate("b", ["1"], ["2"])
    assert (await Journey(first, second).go()).steps == [("a", 1, "b")]
    assert (await Journey(first, second).go()).steps == [("a", 0, "b")]
    assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_what_would_come_again_is_not_asked_for_again() -> None:
    (first, one), (second, _) = candidate("a", [ModelUnreachable(ask_again=False)]), candidate("b", ["Hi"])
    assert (await Journey(first, second).go()).steps == [("a", 1, "b")]
    assert len(one.requests) == 1
    assert route.cooldown_error(first.spec) is None


# Being stopped


async def test_a_stop_ends_the_wait(settings: Settings) -> None:
    settings.CHAT_MODEL_RETRY_SECONDS, settings.CHAT_MODEL_RETRY_TOTAL_SECONDS = 600.0, 1000.0
    first, one = candidate("a", [ModelOverloaded()], ["late"])
    task = asyncio.create_task(Journey(first).go())

    async def asked() -> None:
        assert one.requests

    await eventually(asked)
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert task.cancelled()
    assert len(one.requests) == 1


async def test_closing_the_route_closes_the_models_stream() -> None:
    first, one = candidate("a", ["One", "Two"])
    stream = Route([first]).stream(request("Hi"))
    await anext(stream)
    await stream.aclose()
    assert one.closed == 1


def _overloads(count: int) -> list[Round]:
    return [[ModelOverloaded()] for _ in range(count)]

"""The contract of all providers: reasoning is not shown, and what the vendor wants of it goes back unchanged.

The servers sign what they give and refuse whatever does not come back as it was.
"""

import pytest

from chat.llm.provider import HistoryItem, Provider, TextDelta
from tests.contract.asking import ask, events, sent_for
from tests.contract.test_tools import TOOLS, calls_in
from tests.contract.vendor import Call, Reply, Thinking, Vendor
from tests.contract.vendors import VENDORS
from tests.providers.rounds import joined, remembered, result

THOUGHT = Thinking("The user wants to know the time.")
CALL = Call("get_time", {"zone": "UTC"})


def opaque(vendor: Vendor) -> list[str]:
    return [entry.text for entry in vendor.sent[-1].of("opaque")]


async def test_reasoning_is_not_shown(vendor: Vendor, provider: Provider) -> None:
    vendor.then(Reply(thinking=(THOUGHT,), text=("It is ", "noon.")))
    got = await events(provider, ask(vendor, "What time is it?"))
    assert joined(got) == "It is noon."
    assert "wants to know" not in "".join(event.text for event in got if isinstance(event, TextDelta))


async def test_reasoning_before_a_call_goes_back_with_it(vendor: Vendor, provider: Provider) -> None:
    vendor.then(Reply(thinking=(THOUGHT,), calls=(CALL, CALL)))
    items = remembered(await events(provider, ask(vendor, "What time is it?", tools=TOOLS)))
    results = [result(call, "noon") for call in calls_in(items)]
    sent = await sent_for(vendor, provider, "What time is it?", *items, *results, tools=TOOLS)
    assert opaque(vendor) == vendor.opaque_given != []
    kinds = [entry.kind for entry in sent.entries]
    assert kinds == ["user", "opaque", "call", "call", "result", "result"]


async def test_reasoning_before_a_text_goes_back_where_the_vendor_wants_it(
    vendor: Vendor, provider: Provider
) -> None:
    vendor.then(Reply(thinking=(THOUGHT,), text=("It is noon.",)))
    items = remembered(await events(provider, ask(vendor, "What time is it?")))
    sent = await sent_for(vendor, provider, "What time is it?", *items, "Thanks")
    assert opaque(vendor) == (vendor.opaque_given if vendor.wants_thinking_back else [])
    assert "".join(entry.text for entry in sent.of("assistant")) == "It is noon."


async def test_every_round_of_a_turn_and_every_turn_keeps_its_own(vendor: Vendor, provider: Provider) -> None:
    history: list[HistoryItem | str] = []
    for question in ("What time is it?", "And now?"):
        history.append(question)
        for number in range(2):
            thought = Thinking(f"{question} Round {number}.")
            vendor.then(Reply(thinking=(thought,), text=("Let me see. ",), calls=(CALL,)))
            items = remembered(await events(provider, ask(vendor, *history, tools=TOOLS)))
            history += [*items, result(calls_in(items)[0], "noon")]
        vendor.then(Reply(thinking=(Thinking("Done."),), text=("Noon.",)))
        history += remembered(await events(provider, ask(vendor, *history, tools=TOOLS)))
    await sent_for(vendor, provider, *history, "Thanks", tools=TOOLS)
    given = vendor.opaque_given
    wanted = given if vendor.wants_thinking_back else [one for one in given if one != "Done."]
    assert opaque(vendor) == wanted
    assert len(wanted) >= 4


@pytest.mark.parametrize("vendor", [one for one in VENDORS if one.redacts_thinking], indirect=True)
async def test_thinking_without_readable_text_goes_back_too(vendor: Vendor, provider: Provider) -> None:
    vendor.then(Reply(thinking=(THOUGHT, Thinking(redacted=True)), calls=(CALL,)))
    items = remembered(await events(provider, ask(vendor, "What time is it?", tools=TOOLS)))
    await sent_for(vendor, provider, "Hi", *items, result(calls_in(items)[0], "noon"), tools=TOOLS)
    assert opaque(vendor) == vendor.opaque_given != []


async def test_another_model_is_not_sent_it(vendor: Vendor, provider: Provider) -> None:
    """No model reads another's, and some vendors refuse the whole request for it."""
    vendor.then(Reply(thinking=(THOUGHT,), text=("One moment. ",), calls=(CALL,)))
    items = remembered(await events(provider, ask(vendor, "What time is it?", tools=TOOLS)))
    history = ("What time is it?", *items, result(calls_in(items)[0], "noon"))
    sent = await sent_for(vendor, provider, *history, tools=TOOLS, model=f"{vendor.model}-next")
    assert not set(opaque(vendor)) & set(vendor.opaque_given)
    assert [entry.kind for entry in sent.of("call", "result")] == ["call", "result"]

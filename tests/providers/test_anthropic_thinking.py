"""What Claude thought: shown to nobody, and sent back unchanged where it stood. The fake refuses anything else."""

import json

from chat.llm.anthropic.provider import AnthropicProvider
from chat.llm.provider import AssistantText, Part, ToolCallItem
from tests.fakes.anthropic_script import (
    Redacted,
    Stop,
    Think,
    reply,
    text,
    use,
)
from tests.fakes.anthropic_server import AnthropicServer
from tests.providers.anthropic_rounds import MODEL, TOOLS, answered, called, request, sent
from tests.providers.rounds import events_of, remembered, result, text_of


async def test_thoughts_go_back_unchanged_in_front_of_the_call_that_they_led_to(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    before = (Think("They want \u2028 the time \x00."), Redacted(), Think("hidden", shown=False))
    items = await called(
        claude_server, claude, use("get_time", {"zone": "UTC"}, id_="toolu_1"), before=before
    )
    assert [type(item) for item in items] == [ToolCallItem]
    await answered(claude, items)
    *thoughts, tool = sent(claude_server, 1)
    assert thoughts == claude_server.thoughts
    assert [thought["type"] for thought in thoughts] == ["thinking", "redacted_thinking", "thinking"]
    assert thoughts[2]["thinking"] == ""
    assert (tool["type"], tool["id"]) == ("tool_use", "toolu_1")


async def test_each_thought_stands_where_it_stood(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    before = (
        Think("one"),
        text("Hel", "lo."),
        text(" And"),
        Think("two"),
        text("One ", "moment."),
        Think("three"),
    )
    items = await called(
        claude_server, claude, use("get_time", {"zone": "UTC"}), use("get_my_profile"), before=before
    )
    await answered(claude, items)
    kinds = [block.get("thinking") or block.get("text") or block["name"] for block in sent(claude_server, 1)]
    assert kinds == ["one", "Hello. And", "two", "One moment.", "three", "get_time", "get_my_profile"]


async def test_thoughts_of_turns_that_are_over_go_back_too(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    """The API suggests it; without them, what is cached of the conversation would end there."""
    claude_server.then(reply(Think("Hm."), text("Hello"), Stop()))
    items = remembered(await events_of(claude, request("Hi")))
    await events_of(claude, request("Hi", *items, "And now?"))
    assert [block["type"] for block in sent(claude_server, 1)] == ["thinking", "text"]


async def test_thoughts_are_not_shown(claude_server: AnthropicServer, claude: AnthropicProvider) -> None:
    claude_server.then(reply(Think("A secret."), text("Hello"), Redacted(), text(" you"), Stop()))
    assert await text_of(claude, request("Hi")) == "Hello you"


async def test_a_thought_before_nothing_but_blanks_waits_for_what_follows(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    before = (Think("Hm."), text("\n\n"))
    items = await called(claude_server, claude, use("get_time", {"zone": "UTC"}), before=before)
    await answered(claude, items)
    assert [block["type"] for block in sent(claude_server, 1)] == ["thinking", "tool_use"]


async def test_a_thought_that_led_to_nothing_is_left_out(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(text("Hello"), Think("And"), text("\n"), Stop("max_tokens")))
    items = remembered(await events_of(claude, request("Hi")))
    await events_of(claude, request("Hi", *items, "Go on"))
    assert [block["type"] for block in sent(claude_server, 1)] == ["text"]


async def test_nothing_is_sent_back_of_an_answer_of_blanks(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(Think("Hm."), text("\n"), Stop("max_tokens")))
    items = remembered(await events_of(claude, request("Hi")))
    await events_of(claude, request("Hi", *items, "Go on"))
    assert [block["text"] for block in sent(claude_server, 0)] == ["Hi", "Go on"]


async def test_a_thought_without_a_signature_is_left_out(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    claude_server.then(reply(Think(signed=False), text("Hello"), Stop()))
    items = remembered(await events_of(claude, request("Hi")))
    await events_of(claude, request("Hi", *items, "Go on"))
    assert [block["type"] for block in sent(claude_server, 1)] == ["text"]


async def test_thoughts_that_have_gone_stale_do_not_end_the_conversation(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    """Such as another organization's key has given: it is asked once more without."""
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c3RhbGU="}
    kept = {"thinking": json.dumps([thought]), "model": MODEL, "id": "toolu_1"}
    asked = ToolCallItem("i", "call_1", "get_time", "{}", {"anthropic": kept})
    said = AssistantText("a", "Noon.", [Part(5, {"anthropic": {**kept, "id": ""}})])
    history = request("Hi", asked, result(asked, "noon"), said, "And now?", tools=TOOLS)
    assert await text_of(claude, history)
    assert len(claude_server.refusals) == 1
    assert [block["type"] for block in sent(claude_server, 1)] == ["tool_use"]
    assert [block["type"] for block in sent(claude_server, 3)] == ["text"]


async def test_thoughts_of_another_model_stay_at_home(
    claude_server: AnthropicServer, claude: AnthropicProvider
) -> None:
    before = (Think(), text("One moment."))
    items = await called(
        claude_server, claude, use("get_time", {"zone": "UTC"}, id_="toolu_1"), before=before
    )
    await answered(claude, items, model="claude-haiku-5-5")
    said, tool = sent(claude_server, 1)
    assert said == {"type": "text", "text": "One moment."}
    assert tool["id"] == "toolu_1"

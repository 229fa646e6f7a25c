"""What the fake Claude says when no test tells it: enough of a conversation to run the whole app against it."""

import json
import re

from tests.fakes.anthropic_rules import blocks_of
from tests.fakes.anthropic_script import JSON, USAGE, Reply, Stop, Text, Think, use


def default_answer(body: JSON, word_delay_s: float) -> Reply:
    """Calls ``get_time`` when asked for the time; words tool results; summarises; else says back what it was told."""
    last = blocks_of(body["messages"][-1])
    results = [block for block in last if block["type"] == "tool_result"]
    said = "\n".join(block["text"] for block in last if block["type"] == "text")
    if results:
        return _spoken("; ".join(_in_words(result, body) for result in results), body, word_delay_s)
    if _may_call(body, "get_time") and "time" in said.lower():
        zone = re.search(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+\b", said)
        asked = use("get_time", {"zone": zone.group() if zone else "UTC"})
        return Reply((Think("They want the time."), asked, Stop("tool_use", _usage(body, 5))))
    if _instruction(body).startswith("Summarise"):
        return _spoken(_summary(said), body, 0.0)
    return _spoken(f"You said: {said}", body, word_delay_s)


def _spoken(words: str, body: JSON, word_delay_s: float) -> Reply:
    pieces = tuple(re.findall(r"\S+\s*|\s+", words))
    stop = Stop(usage=_usage(body, len(pieces)))
    return Reply((Text(pieces, pause_s=word_delay_s), stop))


def _in_words(result: JSON, body: JSON) -> str:
    name = next(
        block["name"]
        for message in body["messages"]
        for block in blocks_of(message)
        if block["type"] == "tool_use" and block["id"] == result["tool_use_id"]
    )
    output = result.get("content", "")
    return f"{name} failed: {output}" if result.get("is_error") else f"{name}: {output}"


def _summary(said: str) -> str:
    words = f"A conversation of {len(said.split())} words."
    return json.dumps({"title": "A conversation", "summary": words})


def _instruction(body: JSON) -> str:
    system = body.get("system", "")
    return system if isinstance(system, str) else "".join(block["text"] for block in system)


def _may_call(body: JSON, name: str) -> bool:
    choice = body.get("tool_choice", {}).get("type")
    return choice != "none" and any(tool["name"] == name for tool in body.get("tools", []))


def _usage(body: JSON, words: int) -> JSON:
    return {**USAGE, "input_tokens": len(json.dumps(body["messages"]).split()), "output_tokens": words}

"""What the fake Gemini says when no test tells it: enough of a conversation to run the whole app against it."""

import json
import re

from tests.fakes.gemini_script import JSON, Chunk, Reply, Sleep, Step, call, text


def default_answer(body: JSON, word_delay_s: float) -> Reply:
    """Calls ``get_time`` when asked for the time; words tool results; summarises; else says back what it was told."""
    contents: list[JSON] = body["contents"]
    results = [part["functionResponse"] for part in contents[-1]["parts"] if "functionResponse" in part]
    said = "\n".join(part["text"] for part in contents[-1]["parts"] if "text" in part)
    if results:
        return _spoken("; ".join(_result_in_words(result) for result in results), body, word_delay_s)
    if "get_time" in _offered(body) and "time" in said.lower():
        zone = re.search(r"\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+\b", said)
        asked = call("get_time", {"zone": zone.group() if zone else "UTC"}, signed=True)
        return Reply((Chunk((asked,)), Chunk(finish="STOP", usage=_usage(body, 5))))
    if _instruction(body).startswith("Summarise"):
        return _spoken(_summary(said), body, 0.0)
    return _spoken(f"You said: {said}", body, word_delay_s)


def _spoken(words: str, body: JSON, word_delay_s: float) -> Reply:
    """Word by word; the signature comes on a last part without text, as Gemini 3 sends it."""
    steps: list[Step] = []
    for number, word in enumerate(re.findall(r"\S+\s*|\s+", words), start=1):
        steps += [Sleep(word_delay_s), Chunk((text(word),), usage=_usage(body, number))]
    steps.append(Chunk((text("", signed=True),), finish="STOP", usage=_usage(body, len(steps) // 2)))
    return Reply(tuple(steps))


def _result_in_words(result: JSON) -> str:
    response = result["response"]
    if "error" in response:
        return f"{result['name']} failed: {response['error']}"
    return f"{result['name']}: {json.dumps(response.get('output'))}"


def _summary(said: str) -> str:
    words = f"A conversation of {len(said.split())} words."
    return json.dumps({"title": "A conversation", "summary": words})


def _instruction(body: JSON) -> str:
    return "".join(part["text"] for part in body.get("systemInstruction", {"parts": []})["parts"])


def _offered(body: JSON) -> set[str]:
    return {one["name"] for tool in body.get("tools", []) for one in tool["functionDeclarations"]}


def _usage(body: JSON, words: int) -> JSON:
    prompt = len(json.dumps(body["contents"]).split())
    return {"promptTokenCount": prompt, "candidatesTokenCount": words, "totalTokenCount": prompt + words}

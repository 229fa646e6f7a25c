"""The fake is strict: what the real API refuses, it refuses. Else the tests against it would prove nothing."""

import json
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from tests.fakes.gemini_script import JSON, call, say, text
from tests.fakes.gemini_server import API_KEY, GeminiServer

URL = "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"


@pytest.fixture
def http(server: GeminiServer) -> Generator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, headers={"x-goog-api-key": API_KEY}) as client:
        yield client


def user(*parts: JSON) -> JSON:
    return {"role": "user", "parts": list(parts)}


def model(*parts: JSON) -> JSON:
    return {"role": "model", "parts": list(parts)}


def answer(asked: JSON, output: Any = "noon", **other: Any) -> JSON:
    function = asked["functionCall"]
    response = {"id": function["id"], "name": function["name"], "response": {"output": output}}
    return {"functionResponse": {**response, **other}}


HI = user(text("Hi"))
SIGNED = call("get_time", {"zone": "UTC"}, signed=True)
UNSIGNED = call("get_time", {"zone": "UTC"})
SECOND = call("get_my_profile")
DECLARED = {
    "functionDeclarations": [{"name": "get_time", "parameters": {"type": "object", "properties": {"a": {}}}}]
}
ANY = {"functionCallingConfig": {"mode": "ANY"}}

ACCEPTED: dict[str, JSON] = {
    "a text": {"contents": [HI]},
    "names in snake case": {"contents": [HI], "system_instruction": user(text("Be brief."))},
    "a turn": {"contents": [HI, model(text("Hello")), HI]},
    "a signed call and its result": {"contents": [HI, model(SIGNED), user(answer(SIGNED))]},
    "parallel calls": {"contents": [HI, model(SIGNED, SECOND), user(answer(SIGNED), answer(SECOND))]},
    "an unsigned call of a turn that is over": {
        "contents": [HI, model(UNSIGNED), user(answer(UNSIGNED)), model(text("Noon")), HI]
    },
    "a dummy signature": {
        "contents": [
            HI,
            model({**UNSIGNED, "thoughtSignature": "skip_thought_signature_validator"}),
            user(answer(UNSIGNED)),
        ]
    },
    "an empty text with a signature": {"contents": [HI, model(text("", signed=True)), HI]},
    "a tool that must be used": {"contents": [HI], "tools": [DECLARED], "toolConfig": ANY},
}


def declared(parameters: JSON) -> JSON:
    return {"functionDeclarations": [{"name": "f", "parametersJsonSchema": parameters}]}


def having(**properties: JSON) -> JSON:
    return {"type": "object", "properties": properties}


BADLY_NAMED = call("find.item now!", signed=True)

REFUSED: dict[str, tuple[JSON, str]] = {
    "a name in the history": (
        {"contents": [HI, model(BADLY_NAMED), user(answer(BADLY_NAMED))]},
        "Invalid function name",
    ),
    "a reference in a result": (
        {"contents": [HI, model(SIGNED), user(answer(SIGNED, [{"deep": {"$ref": "#/a"}}]))]},
        "The referenced name `#/a` in function_response.response does not match",
    ),
    "an array of nothing": (
        {"contents": [HI], "tools": [declared(having(a={"type": "array"}))]},
        "parameters.properties.a: missing field: items",
    ),
    "items that are a list": (
        {"contents": [HI], "tools": [declared(having(a={"type": "array", "items": [{"type": "string"}]}))]},
        "cannot start list",
    ),
    "required without a property": (
        {"contents": [HI], "tools": [declared({**having(a={"type": "string"}), "required": ["b"]})]},
        "property is not defined",
    ),
    "an empty choice": (
        {"contents": [HI], "tools": [declared(having(a={"type": "string", "enum": [""]}))]},
        "cannot be empty",
    ),
    "no contents": ({"contents": []}, "contents is not specified"),
    "an unknown field": ({"contents": [HI], "stream": True}, 'Unknown name "stream"'),
    "an unknown setting": (
        {"contents": [HI], "generationConfig": {"maxTokens": 1}},
        'Unknown name "maxTokens"',
    ),
    "an unknown field of a part": (
        {"contents": [user({"type": "text", "text": "Hi"})]},
        'Unknown name "type"',
    ),
    "a limit of nought": ({"contents": [HI], "generationConfig": {"maxOutputTokens": 0}}, "maxOutputTokens"),
    "the role assistant": ({"contents": [HI, {"role": "assistant", "parts": [text("x")]}]}, "valid role"),
    "the model first": ({"contents": [model(text("x")), HI]}, "begin with a user role"),
    "the model last": ({"contents": [HI, model(text("x"))]}, "end with a user role"),
    "a role twice": ({"contents": [HI, HI]}, "alternate"),
    "no parts": ({"contents": [user()]}, "parts must not be empty"),
    "an empty part": ({"contents": [user({})]}, "required oneof field 'data'"),
    "an empty text": ({"contents": [user(text(""))]}, "required oneof field 'data'"),
    "two kinds in a part": (
        {"contents": [HI, model({**SIGNED, **text("x")}), HI]},
        "required oneof field 'data'",
    ),
    "a text that is none": ({"contents": [user({"text": 7})]}, "TYPE_STRING"),
    "a call by the user": ({"contents": [user(SIGNED)]}, "role"),
    "an instruction that is no text": (
        {"contents": [HI], "systemInstruction": user(SIGNED)},
        "text parts only",
    ),
    "a result without a call": (
        {"contents": [HI, model(text("x")), user(answer(SIGNED))]},
        "immediately after",
    ),
    "too few results": (
        {"contents": [HI, model(SIGNED, SECOND), user(answer(SIGNED))]},
        "number of function response parts",
    ),
    "no results": ({"contents": [HI, model(SIGNED), HI]}, "number of function response parts"),
    "results in another order": (
        {"contents": [HI, model(SIGNED, SECOND), user(answer(SECOND), answer(SIGNED))]},
        "does not match",
    ),
    "a result with another id": (
        {"contents": [HI, model(SIGNED), user(answer(SIGNED, id="x"))]},
        "does not match",
    ),
    "a result that is text": (
        {"contents": [HI, model(SIGNED), user(answer(SIGNED, response="noon"))]},
        "Struct",
    ),
    "a result without a name": (
        {"contents": [HI, model(SIGNED), user(answer(SIGNED, name=""))]},
        "Name cannot",
    ),
    "no signature": (
        {"contents": [HI, model(UNSIGNED), user(answer(UNSIGNED))]},
        "missing a thought_signature",
    ),
    "a signature on the second call only": (
        {"contents": [HI, model(SECOND, SIGNED), user(answer(SECOND), answer(SIGNED))]},
        "`default_api:get_my_profile` , position 2",
    ),
    "a changed signature": (
        {"contents": [HI, model({**SIGNED, "thoughtSignature": "AAAA"}), user(answer(SIGNED))]},
        "Corrupted thought signature",
    ),
    "another part's signature": (
        {
            "contents": [
                HI,
                model({**SECOND, "thoughtSignature": SIGNED["thoughtSignature"]}),
                user(answer(SECOND)),
            ]
        },
        "Corrupted thought signature",
    ),
    "a signed text joined with another": (
        {"contents": [HI, model({**text("a b", signed=True), "text": "a b c"}), HI]},
        "Corrupted thought signature",
    ),
    "a tool twice": ({"contents": [HI], "tools": [DECLARED, DECLARED]}, "Duplicate function"),
    "a bad name of a tool": (
        {"contents": [HI], "tools": [{"functionDeclarations": [{"name": "get time"}]}]},
        "Invalid function name",
    ),
    "an object without properties": (
        {
            "contents": [HI],
            "tools": [{"functionDeclarations": [{"name": "a", "parameters": {"type": "object"}}]}],
        },
        "should be non-empty",
    ),
    "a tool that must be used but is not there": ({"contents": [HI], "toolConfig": ANY}, "without function"),
    "an unknown mode": (
        {"contents": [HI], "toolConfig": {"functionCallingConfig": {"mode": "REQUIRED"}}},
        "function_calling_config.mode",
    ),
    "an allowed tool that is not there": (
        {
            "contents": [HI],
            "tools": [DECLARED],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["x"]}},
        },
        "not in the function declarations",
    ),
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(http: httpx2.Client, body: JSON) -> None:
    response = http.post(URL, json=body)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize(("body", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(http: httpx2.Client, body: JSON, words: str) -> None:
    response = http.post(URL, json=body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]


@pytest.mark.parametrize("body", [b"{", b'{"contents": NaN}'])
def test_json_must_be_json(http: httpx2.Client, body: bytes) -> None:
    assert http.post(URL, content=body).status_code == 400


def test_keys(server: GeminiServer) -> None:
    missing = httpx2.post(server.url + URL, json={"contents": [HI]})
    wrong = httpx2.post(server.url + URL, json={"contents": [HI]}, headers={"x-goog-api-key": "wrong"})
    assert (missing.status_code, missing.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert wrong.status_code == 400
    assert wrong.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"


def test_an_unknown_model(http: httpx2.Client) -> None:
    response = http.post("/v1beta/models/palm-2:generateContent", json={"contents": [HI]})
    assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")


def test_the_answer_in_one_piece(server: GeminiServer, http: httpx2.Client) -> None:
    server.then(say("Hel", "lo"))
    body = http.post("/v1beta/models/gemini-3.8-flash:generateContent", json={"contents": [HI]}).json()
    assert [part["text"] for part in body["candidates"][0]["content"]["parts"]] == ["Hel", "lo"]
    assert body["candidates"][0]["finishReason"] == "STOP"


def test_left_to_itself_it_asks_for_the_time_and_words_it(http: httpx2.Client) -> None:
    path = "/v1beta/models/gemini-3.8-flash:generateContent"
    asked = user(text("What time is it in Asia/Tokyo?"))
    first = http.post(path, json={"contents": [asked], "tools": [DECLARED]}).json()
    [part] = first["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["args"] == {"zone": "Asia/Tokyo"}
    second = http.post(
        path, json={"contents": [asked, model(part), user(answer(part))], "tools": [DECLARED]}
    ).json()
    words = "".join(part["text"] for part in second["candidates"][0]["content"]["parts"])
    assert words == 'get_time: "noon"'


def test_left_to_itself_it_summarises_when_instructed(http: httpx2.Client) -> None:
    body = {
        "contents": [user(text("<conversation>"))],
        "systemInstruction": user(text("Summarise it, as JSON.")),
    }
    whole = http.post("/v1beta/models/gemini-3.8-flash:generateContent", json=body).json()
    words = "".join(part["text"] for part in whole["candidates"][0]["content"]["parts"])
    assert json.loads(words).keys() == {"title", "summary"}

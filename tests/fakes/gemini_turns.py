"""The rules of the Gemini API across contents: whose turn, which call is answered by what, whose signature.

Sources: the API's guides to function calling and to thought signatures. Stricter than the real one in two points: roles
must alternate, and a signature must stand on the very part that it was given with.
"""

import base64
import binascii
from collections.abc import Sequence
from itertools import pairwise

from tests.fakes.gemini_refusals import refuse
from tests.fakes.gemini_script import JSON, is_signature_of

DUMMY_SIGNATURES = (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go")


def check_turns(contents: Sequence[JSON]) -> None:
    """Contents whose fields are right. Raises `RefusedError`."""
    _check_roles(contents)
    _check_calls_answered(contents)
    _check_signatures(contents)


def _check_roles(contents: Sequence[JSON]) -> None:
    roles = [content["role"] for content in contents]
    if roles[0] != "user":
        raise refuse("Please ensure that multiturn requests begin with a user role.")
    if any(one == other for one, other in pairwise(roles)):
        raise refuse("Please ensure that multiturn requests alternate between user and model.")
    if roles[-1] != "user":
        raise refuse("Please ensure that multiturn requests end with a user role or a function response.")


def _check_calls_answered(contents: Sequence[JSON]) -> None:
    open_calls: list[JSON] = []
    for content in contents:
        responses = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        if responses and not open_calls:
            raise refuse(
                "Please ensure that function response turn comes immediately after a function call turn."
            )
        if len(responses) != len(open_calls):
            raise refuse(
                "Please ensure that the number of function response parts is equal to the number of function "
                "call parts of the function call turn."
            )
        for asked, answered in zip(open_calls, responses, strict=True):
            if (asked["name"], asked.get("id")) != (answered["name"], answered.get("id")):
                raise refuse(
                    f"Function response `{answered['name']}` (id {answered.get('id')}) does not match the "
                    f"function call `{asked['name']}` (id {asked.get('id')}) in its place."
                )
        open_calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]


def _check_signatures(contents: Sequence[JSON]) -> None:
    """Any signature given must be right; within the current turn the first call of each step must have one."""
    turn = max((index for index, content in enumerate(contents) if _is_spoken(content)), default=0)
    for index, content in enumerate(contents):
        for part in content["parts"]:
            if "thoughtSignature" in part and not _is_right(part):
                raise refuse("Corrupted thought signature.")
        calls = [part for part in content["parts"] if "functionCall" in part]
        if index > turn and calls and "thoughtSignature" not in calls[0]:
            raise refuse(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work "
                "correctly, and missing thought_signature may lead to degraded model performance. Additional data, "
                f"function call `default_api:{calls[0]['functionCall']['name']}` , position {index + 1}. Please refer to "
                "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
            )


def _is_spoken(content: JSON) -> bool:
    return content["role"] == "user" and any("functionResponse" not in part for part in content["parts"])


def _is_right(part: JSON) -> bool:
    """The API's JSON takes both alphabets of base64; a dummy may also stand in plain text."""
    try:
        signature = base64.b64decode(part["thoughtSignature"], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        signature = part["thoughtSignature"].encode()
    if signature in DUMMY_SIGNATURES or part["thoughtSignature"].encode() in DUMMY_SIGNATURES:
        return "functionCall" in part
    return is_signature_of(signature, part)

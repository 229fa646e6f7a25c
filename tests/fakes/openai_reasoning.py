"""The fake's reasoning items: encrypted for one model, and known again without any memory of them."""

import base64
import hashlib
import hmac
import json
import os

from tests.fakes.openai_script import JSON

_SECRET = b"the fake's own; fixed, so that a session outlives the fake's restart"


def reasoning_item(model: str, summary: str) -> JSON:
    """``summary`` may be empty: then it is all in the encrypted content."""
    nonce = os.urandom(6).hex()
    item: JSON = {
        "type": "reasoning",
        "id": f"rs_{_mark(model)}{nonce}",
        "summary": [{"type": "summary_text", "text": summary}] if summary else [],
    }
    return {**item, "encrypted_content": _encrypted(item, model)}


def call_id_after(reasoning: JSON | None) -> str:
    """A call's id that tells which reasoning it must come back with."""
    if reasoning is None:
        return f"call_{os.urandom(9).hex()}"
    return f"call_r{reasoning['id'].removeprefix('rs_')}_{os.urandom(3).hex()}"


def reasoning_id_of(call_id: str, model: str) -> str | None:
    """The reasoning that has to be sent with this call to this model; None: none."""
    inner = call_id.removeprefix("call_r")
    if inner == call_id or not inner.startswith(_mark(model)):
        return None
    return f"rs_{inner.partition('_')[0]}"


def is_encrypted_for(item: JSON, model: str) -> bool:
    """Nothing of the item has changed but the order of its keys, and it was given by this model."""
    plain: JSON = {key: item[key] for key in ("type", "id", "summary") if key in item}
    return hmac.compare_digest(_encrypted(plain, model), str(item["encrypted_content"]))


def _encrypted(item: JSON, model: str) -> str:
    told = f"{model} {json.dumps(item, sort_keys=True)}".encode()
    return "gAAA" + base64.urlsafe_b64encode(hmac.digest(_SECRET, told, hashlib.sha256)).decode()


def _mark(model: str) -> str:
    return hashlib.sha256(model.encode()).hexdigest()[:6]

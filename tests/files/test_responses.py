"""Pictures and files in the items of the Responses API: as the vendor's own types have them."""

import json

import msgspec
import pytest
from openai.types.responses import ResponseInputFile, ResponseInputImage

from chat.wire.responses.items import item_of
from sessions_app.log import events as ev
from tests.protocol.logs import FILES


@pytest.mark.parametrize("text", ["", "Look"])
def test_a_message_shows_its_files(text: str) -> None:
    item = item_of(ev.UserMessage(item_id="item_1", text=text, files=FILES))
    *said, picture, paper = json.loads(msgspec.json.encode(item))["content"]
    assert [part["text"] for part in said] == ([text] if text else [])
    assert ResponseInputImage.model_validate(picture, strict=True).file_id == FILES[0].id
    assert ResponseInputFile.model_validate(paper, strict=True).filename == "b.pdf"

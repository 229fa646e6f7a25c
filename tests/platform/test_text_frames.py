"""realtime_ai.front.uvicorn: what goes straight to the transport is the library's frame to the byte; and what comes in is
read in its order."""

import asyncio

import pytest
from websockets.frames import Frame, Opcode

from realtime_ai.front.uvicorn import Messages, _text_head


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_text_frame_is_the_librarys(length: int) -> None:
    data = b"x" * length
    assert _text_head(length) + data == Frame(Opcode.TEXT, data).serialize(mask=False)


async def test_messages_come_in_their_order_also_to_who_waits_already() -> None:
    messages = Messages()
    messages.put_nowait(1)
    messages.put_nowait(2)
    assert [await messages.get(), await messages.get()] == [1, 2]
    assert messages.empty()

    waiting = asyncio.create_task(messages.get())
    await asyncio.sleep(0)
    messages.put_nowait(3)
    messages.put_nowait(4)
    assert await waiting == 3
    assert not messages.empty()
    assert await messages.get() == 4


async def test_a_reader_that_is_cancelled_loses_no_message() -> None:
    messages = Messages()
    waiting = asyncio.create_task(messages.get())
    await asyncio.sleep(0)
    waiting.cancel()
    messages.put_nowait(1)
    await asyncio.wait([waiting])
    assert await messages.get() == 1

"""Pipecat's Realtime service with text: the first turn by its own aggregators, a later one by them, one by hand."""

import asyncio
import json
import sys

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService


class Ear(FrameProcessor):
    """Hears what the service says."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[str] = []
        self._text = ""
        self.told = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self._text += frame.text
        elif isinstance(frame, LLMFullResponseEndFrame) and self._text:
            self.answers.append(self._text)
            self._text = ""
            self.told.set()
        await self.push_frame(frame, direction)

    async def answer(self) -> bool:
        try:
            await asyncio.wait_for(self.told.wait(), 5)
        except TimeoutError:
            return False
        self.told.clear()
        return True


async def main(base_url: str) -> None:
    logger.remove()
    llm = OpenAIRealtimeLLMService(
        api_key="guest",
        base_url=base_url.replace("http", "ws", 1) + "/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            session_properties=events.SessionProperties(output_modalities=["text"]),
            system_instruction="Be brief.",
        ),
    )
    context = LLMContext([{"role": "user", "content": "count to 3"}])
    pair, ear = LLMContextAggregatorPair(context), Ear()
    task = PipelineTask(Pipeline([pair.user(), llm, ear, pair.assistant()]))
    running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
    answered = []
    await task.queue_frames([LLMRunFrame()])
    answered.append(await ear.answer())
    later = {"role": "user", "content": "count to 4"}
    await task.queue_frames([LLMMessagesAppendFrame([later], run_llm=True)])
    answered.append(await ear.answer())
    content = [events.ItemContent(type="input_text", text="count to 5")]
    item = events.ConversationItem(type="message", role="user", content=content)
    await llm.send_client_event(events.ConversationItemCreateEvent(item=item))
    await llm.send_client_event(events.ResponseCreateEvent())
    answered.append(await ear.answer())
    await task.cancel()
    await asyncio.gather(running, return_exceptions=True)
    print(json.dumps({"answered": answered, "answers": ear.answers}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

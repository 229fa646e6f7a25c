from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chat.llm import route
from chat.llm.catalog import Candidate
from chat.llm.provider import ModelRequest, Usage
from chat.testing import Round, ScriptedModel
from tests.summary.program import Program
from tests.summary.receiver import receiver
from tests.support.database import database_url
from tests.support.jobs import no_jobs

__all__ = ["no_jobs", "receiver"]

UseModel = Callable[..., ScriptedModel]
StartWorker = Callable[..., Program]


@pytest.fixture
def use_model(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> UseModel:
    """Summaries are written by a model that gives these answers, and the last one for ever."""

    def use(*answers: Round | Callable[[ModelRequest], Round]) -> ScriptedModel:
        *first, last = answers
        usage = Usage(input_tokens=7, output_tokens=3)
        for_ever = last if callable(last) else lambda _: last
        model = ScriptedModel(*first, name="fake", usage=usage, otherwise=for_ever)
        one = Candidate("fake:model-1", model, "model-1")
        monkeypatch.setattr("chat.jobs.summary.candidates", lambda spec: [one])
        route.forget()
        settings.CHAT_SUMMARY_MODEL = "fake:model-1"
        return model

    return use


@pytest.fixture
def start_worker(transactional_db: None, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts ``manage.py worker`` on this test's database."""
    started: list[Program] = []

    def start(*arguments: str, **environment: str) -> Program:
        program = Program(
            tmp_path / f"worker-{len(started)}.log",
            "worker",
            *arguments,
            **{
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "tests.summary.worker_settings",
                **environment,
            },
        )
        started.append(program)
        return program

    yield start
    for program in started:
        program.close()

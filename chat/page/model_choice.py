"""The models that a visitor may choose between, by names for people."""

import re

from chat.assistants import Assistant
from chat.conf import conf

_SPELLED = {"gpt": "GPT", "oss": "OSS", "ai": "AI"}
_SHORT = re.compile(r"\d{1,2}")
_DATE = re.compile(r"\d{6,8}")
_SIZE = re.compile(r"\d+[bk]")


def model_choices(assistant: Assistant) -> list[tuple[str, str]]:
    """Each model and its name, the one that answers unless another is chosen first; empty where there is no choice."""
    models = assistant.choices
    return [(spec, model_name(spec)) for spec in models] if len(models) > 1 else []


def model_name(spec: str) -> str:
    """As ``LLM_MODEL_NAMES`` calls it, else made of its own: "Gemini 3.8 Flash" of ``gemini:gemini-3.8-flash``."""
    if given := conf().llm_model_names.get(spec):
        return given
    name = spec.partition(":")[2] or spec
    parts = re.split(r"[-_:\s]+", name.rpartition("/")[2])
    words: list[str] = []
    for part in parts:
        if _SHORT.fullmatch(part) and words and _SHORT.fullmatch(words[-1]):
            words[-1] += f".{part}"  # claude-sonnet-5-5 is its version 5.5
        elif part and not _DATE.fullmatch(part):
            words.append(_spelled(part))
    return " ".join(words) or spec


def _spelled(part: str) -> str:
    if _SIZE.fullmatch(part.lower()):
        return part.upper()
    return _SPELLED.get(part.lower(), part[0].upper() + part[1:])

"""Where upper rooms hear of what happens below: they register, the log calls, nobody imports upward."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from sessions_app.errors import DecisionRefused

__all__ = [
    "Act",
    "Again",
    "Decision",
    "NoticeSource",
    "SessionEndedHook",
    "SessionErasedHook",
    "Step",
    "on_address_check",
    "on_again",
    "on_decision",
    "on_notices",
    "on_session_ended",
    "on_session_erased",
    "on_step",
]

SessionEndedHook = Callable[[str, int], None]
"""Called with (session_id, last_seq) inside the transaction that ends the session; what it raises undoes the end."""

_session_ended: list[SessionEndedHook] = []


def on_session_ended(hook: SessionEndedHook) -> SessionEndedHook:
    """Register it, best in an app's ``ready()``; as a decorator, too. Several are called in the order of registration, each
    once however often it is registered."""
    if hook not in _session_ended:
        _session_ended.append(hook)
    return hook


def session_ended(session_id: str, last_seq: int) -> None:
    for hook in _session_ended:
        hook(session_id, last_seq)


SessionErasedHook = Callable[[str], None]
"""Called with the session_id inside the transaction that erases what was said in it; what it raises undoes the erasure."""

_session_erased: list[SessionErasedHook] = []


def on_session_erased(hook: SessionErasedHook) -> SessionErasedHook:
    """Register it, for whoever keeps words of sessions in places of their own; as a decorator, too. Several are called in the
    order of registration, each once however often it is registered."""
    if hook not in _session_erased:
        _session_erased.append(hook)
    return hook


def session_erased(session_id: str) -> None:
    for hook in _session_erased:
        hook(session_id)


_session_erasing: list[SessionErasedHook] = []


def on_session_erasing(hook: SessionErasedHook) -> SessionErasedHook:
    """Called before a session that goes on is erased: who holds it in this process lets go of it, and tells its readers why.
    The chat registers its own."""
    _session_erasing[:] = [hook]
    return hook


def session_erasing(session_id: str) -> None:
    for hook in _session_erasing:
        hook(session_id)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a member of staff said to a tool call that waits for a person's yes."""

    session_id: str
    approval_id: str
    """The ``item_id`` of the request, as the log and the wire have it."""
    approve: bool
    by: str
    """The name of the member of staff."""
    staff_id: int | None = field(default=None, compare=False)
    """Their primary key: who decides in a conversation of their own is one person, not two."""
    reason: str = ""
    """Told to the model."""


_deciders: list[Callable[[Decision], None]] = []


def on_decision(hook: Callable[[Decision], None]) -> Callable[[Decision], None]:
    """The one who carries decisions out, in place of the one registered before; it raises `DecisionRefused` or another
    `SessionsError` (`sessions_app.errors`) when it cannot. The chat registers its own."""
    _deciders[:] = [hook]
    return hook


def decide_approval(decision: Decision) -> None:
    """Raises `DecisionRefused`, `SessionsError`."""
    if not _deciders:
        raise DecisionRefused
    _deciders[0](decision)


@dataclass(frozen=True, kw_only=True)
class Again:
    """A member of staff wants what failed to be tried again."""

    session_id: str
    response_id: str = ""
    """The answer; empty: the session's summary."""
    by: str
    """The name of the member of staff."""
    anew: bool = False
    """Another summary, though there is one."""
    model: str = ""
    """Who is to write it, PROVIDER:NAME; empty: who wrote the first."""


_again: list[Callable[[Again], None]] = []


def on_again(hook: Callable[[Again], None]) -> Callable[[Again], None]:
    """The one who tries again, in place of the one registered before; it raises as one of `on_decision`. The chat registers
    its own."""
    _again[:] = [hook]
    return hook


def run_again(again: Again) -> None:
    """Raises `DecisionRefused`, `SessionsError`."""
    if not _again:
        raise DecisionRefused
    _again[0](again)


_model_sources: list[Callable[[], list[str]]] = []


def on_models(source: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """The one who knows which models can be asked for a summary, as PROVIDER:NAME. The chat registers its own."""
    _model_sources[:] = [source]
    return source


def models_offered() -> list[str]:
    return [model for source in _model_sources for model in source()]


_writer_sources: list[Callable[[str], tuple[str, str]]] = []


def on_writer(source: Callable[[str], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
    """The one who knows which model sums up conversations with a model where none is named, and why it cannot be asked as the
    settings stand (empty: it can). The chat registers its own."""
    _writer_sources[:] = [source]
    return source


def usual_writer(model: str) -> tuple[str, str]:
    return _writer_sources[0](model) if _writer_sources else ("", "")


_tool_sources: list[Callable[[], list[str]]] = []


def on_tools(source: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """The one who knows the names of the tools that an assistant may be offered. The chat registers its own."""
    _tool_sources[:] = [source]
    return source


def tools_offered() -> list[str]:
    return [tool for source in _tool_sources for tool in source()]


_assistant_hooks: list[Callable[[], None]] = []


def on_assistants_changed(hook: Callable[[], None]) -> Callable[[], None]:
    """Called after an assistant was published or retired in this process. The chat registers its own."""
    _assistant_hooks[:] = [hook]
    return hook


def assistants_changed() -> None:
    for hook in _assistant_hooks:
        hook()


class Act(StrEnum):
    """What staff do in a conversation that goes on."""

    STOP = "stop"
    """The answer that runs."""
    WHISPER = "whisper"
    """To the model, for its next answer."""
    WITHDRAW = "withdraw"
    """A whisper that no model was told yet."""
    TAKE_OVER = "take_over"
    """A person answers from here on."""
    SPEAK = "speak"
    """As the one who has taken it over."""
    HAND_BACK = "hand_back"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a member of staff does in a session that goes on."""

    session_id: str
    act: Act
    by: str
    """The name of the member of staff."""
    text: str = ""
    """Of a whisper, and of what is said."""
    item_id: str = ""
    """The whisper that is withdrawn."""
    nonce: str = ""
    """Of this one wish to say it: what is sent again with it is not said again. Empty: it is not known."""


_steppers: list[Callable[[Step], None]] = []


def on_step(hook: Callable[[Step], None]) -> Callable[[Step], None]:
    """The one who carries out what staff do, as `on_decision`. The chat registers its own."""
    _steppers[:] = [hook]
    return hook


def step_in(step: Step) -> None:
    """Raises `DecisionRefused`, `SessionsError`."""
    if not _steppers:
        raise DecisionRefused
    _steppers[0](step)


_address_checks: list[Callable[[str], str]] = []


def on_address_check(hook: Callable[[str], str]) -> Callable[[str], str]:
    """The one who says why a webhook may not go to an address, as a sentence, or nothing; in place of the one before. The chat
    registers its own."""
    _address_checks[:] = [hook]
    return hook


def address_problem(url: str) -> str:
    return _address_checks[0](url) if _address_checks else ""


NoticeSource = Callable[[], list[str]]
"""A sentence for each thing outside the log that is not as staff would want it; quick, and never raises."""

_notice_sources: list[NoticeSource] = []


def on_notices(source: NoticeSource) -> NoticeSource:
    """Register it: its sentences stand on the admin's first page. As a decorator, too."""
    if source not in _notice_sources:
        _notice_sources.append(source)
    return source


def notices() -> list[str]:
    """What the admin's first page warns of, as this process sees it."""
    return [notice for source in _notice_sources for notice in source()]

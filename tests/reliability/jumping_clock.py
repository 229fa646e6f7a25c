"""The web process with a wall clock that jumps: SIGUSR1 sets it six hours forward, SIGUSR2 twelve back. Monotonic clocks
keep on, and so does the database's.

``time.time`` and ``time.time_ns`` are replaced for everybody; ``datetime.now`` in the modules that ask for it, after
they are loaded, since a class of one's own would not pass for a datetime in their types.
"""

import signal
import sys
import time
from datetime import datetime, timedelta, tzinfo
from types import FrameType, ModuleType
from typing import Any

FORWARD_S, BACK_S = 6 * 3600, 12 * 3600

_offset_s = 0.0
_real_time, _real_time_ns = time.time, time.time_ns


class ShiftedDatetime:
    """``datetime``, as far as such a module calls it."""

    @staticmethod
    def now(tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) + timedelta(seconds=_offset_s)

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)


def _jump(number: int, _frame: FrameType | None) -> None:
    global _offset_s
    _offset_s += FORWARD_S if number == signal.SIGUSR1 else -BACK_S


def _shift(*modules: ModuleType) -> None:
    for module in modules:
        assert module.__dict__["datetime"] is datetime, module
        module.__dict__["datetime"] = ShiftedDatetime()


def main() -> int:
    time.time = lambda: _real_time() + _offset_s
    time.time_ns = lambda: _real_time_ns() + int(_offset_s * 1e9)
    signal.signal(signal.SIGUSR1, _jump)
    signal.signal(signal.SIGUSR2, _jump)
    import django

    django.setup()
    import django.utils.timezone

    import chat.tools.builtin.clock
    import sessions_app.log.lifecycle
    import sessions_app.log.live
    from realtime_ai.server import main as serve

    _shift(django.utils.timezone, chat.tools.builtin.clock, sessions_app.log.lifecycle, sessions_app.log.live)
    return serve(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

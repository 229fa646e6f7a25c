"""What a run was: counted, and told in lines."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from tests.chaos.client import Client
from tests.chaos.faults import Faults
from tests.chaos.logged import LoggedSession
from tests.chaos.turn import Turn
from tests.chaos.verdict import Broken, Finding


def figures(
    clients: Sequence[Client],
    sessions: Sequence[LoggedSession],
    faults: Faults,
    findings: Sequence[Finding],
) -> dict[str, object]:
    turns = [turn for client in clients for turn in client.turns]
    closes: Counter[int] = sum((client.closes for client in clients), Counter())
    ends = Counter(f"{turn.status} {turn.reason}".strip() for turn in turns)
    return {
        "sessions": len(sessions),
        "connections": sum(closes.values()) + len(clients),
        "messages": len(turns),
        "answers": _counted(ends),
        "asked again by the client": _counted(sum((one.asked_again for one in clients), Counter())),
        "tried again by the server": sum(turn.retries for turn in turns),
        "frames": sum(len(client.view.frames) for client in clients),
        "faults": _counted(Counter({kind.value: times for kind, times in faults.done.items()})),
        "faults passed over": faults.passed_over,
        "connections cut": faults.cuts,
        "readers stalled": faults.stalls,
        "left in a crowd": faults.left_in_a_crowd,
        "reconnects by close code": _counted(closes),
        "errors": _counted(sum((client.errors for client in clients), Counter())),
        "taken back (truncated_to)": sum(client.view.truncations for client in clients),
        "begun anew": sum(client.sessions_begun_anew for client in clients),
        "waits for an answer": _waits(turns),
        "longest wait after a kill": f"{_wait_after_kill_s(turns, faults.kills_at):.1f} s",
        "lost": sum(finding.broken is Broken.LOST for finding in findings),
        "repeated": sum(finding.broken is Broken.REPEATED for finding in findings),
    }


def _counted(counter: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{name}: {times}" for name, times in sorted(counter.items(), key=str)) or "none"


def _waits(turns: Sequence[Turn]) -> str:
    """From the question to the end of its answer."""
    waits = sorted(turn.ended_at - turn.asked_at for turn in turns if turn.end)
    if not waits:
        return "none"
    p99 = waits[min(len(waits) - 1, round(0.99 * len(waits)))]
    return f"median {median(waits):.1f} s, p99 {p99:.1f} s, longest {waits[-1]:.1f} s"


def check_waits(clients: Sequence[Client], *, longest_s: float) -> list[Finding]:
    """Each answer came in time, whatever was broken meanwhile."""
    findings = []
    for client in clients:
        for turn in client.turns:
            waited_s = turn.ended_at - turn.asked_at if turn.end else 0.0
            if waited_s > longest_s:
                what = f"{turn.text!r} had its answer after {waited_s:.1f} s, of {longest_s:g} s at most"
                findings.append(Finding(client.session_id, None, what))
    return findings


def _wait_after_kill_s(turns: Sequence[Turn], kills_at: Sequence[float]) -> float:
    """From a kill to the end of an answer that had been asked for before it, the longest."""
    waits = (
        turn.ended_at - kill_at
        for turn in turns
        for kill_at in kills_at
        if turn.end and turn.asked_at < kill_at < turn.ended_at
    )
    return max(waits, default=0.0)

"""A report of two measures as a run writes it, small enough to reckon by hand."""

from typing import Any

from bench.peers.measures.pace import OURS_REALTIME, RELAY

JSON = dict[str, Any]


def sample(contender: str, **figures: float) -> JSON:
    return {"contender": contender, "load": 1.5, "figures": figures}


def measure(title: str, figures: list[list[Any]], samples: list[JSON], **more: Any) -> JSON:
    when = {"began": "2026-11-28T12:00:00+00:00", "tree": "0123abc", "whole": False}
    told = {"title": title, "told": "What is done.", "figures": figures, "related": [], "against": {}}
    return when | told | {"samples": samples} | more


def report() -> JSON:
    pace = measure(
        "A chunk at pace",
        [["web_us", "web us a chunk", 0], ["postgres_us", "PostgreSQL us a chunk", 0]],
        [
            sample(OURS_REALTIME, web_us=200, postgres_us=40, disk_kb=10, wal_kb=16),
            sample(RELAY, web_us=400, postgres_us=4, disk_kb=5, wal_kb=5),
            sample(RELAY, web_us=500, postgres_us=4, disk_kb=5, wal_kb=5),
            sample(OURS_REALTIME, web_us=300, postgres_us=50, disk_kb=12, wal_kb=16),
            sample(OURS_REALTIME, web_us=220, postgres_us=60, disk_kb=14, wal_kb=16),
            sample(RELAY, web_us=440, postgres_us=4, disk_kb=5, wal_kb=5),
        ],
        related=["web_us"],
        against={OURS_REALTIME: [RELAY], RELAY: []},
    )
    memory = measure(
        "Memory", [["idle_kib", "idle KiB", 1]], [sample(OURS_REALTIME, idle_kib=20, active_kib=50)]
    )
    connects = measure("Connecting", [["web_ms", "web ms", 2]], [sample(OURS_REALTIME, web_ms=0.6)])
    elsewhere = measure(
        "A reader elsewhere",
        [["more_us", "us more", 0]],
        [sample(OURS_REALTIME, more_us=250, redis_us=50, commands=1.2, bytes=1000)],
    )
    return {
        "machine": {
            "cores": 2,
            "memory_gib": 24,
            "processor": "a processor",
            "system": "Linux",
            "python": "3.11.7",
            "packages": {"uvicorn": "0.54.0"},
        },
        "measures": {"pace": pace, "memory": memory, "connects": connects, "elsewhere": elsewhere},
    }

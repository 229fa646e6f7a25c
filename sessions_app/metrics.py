"""The log's figures for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

journal_events = Counter("journal_events_total", "Events committed to the log.")
journal_fenced = Counter("journal_fenced_total", "Sessions lost to another process while writing.")
journal_refused = Counter("journal_refused_total", "Events refused because the buffer was full.")
journal_commit_seconds = Histogram(
    "journal_commit_seconds",
    "Time from taking a batch to its commit.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0),
)
live_sessions = Gauge("live_sessions", "Sessions that the process holds.", multiprocess_mode="livesum")

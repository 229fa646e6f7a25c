"""Faults from a seeded plan against the real application, then a comparison of everything that was seen and stored.

``python -m tests.chaos`` runs it; docs/reliability.md tells what it promises and what it has found.
"""

"""Measurements: each prints ratios of things measured in one run. Run them with ``make bench``, or one with
``python -m bench NAME``."""

"""Measurements: each prints ratios of things measured in one run. Run them with ``make bench`` or ``python -m bench.NAME``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.test")
django.setup()

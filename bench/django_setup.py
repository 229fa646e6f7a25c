"""Imported first by what needs Django: settings and apps are ready after it."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_ai.settings.test")
django.setup()

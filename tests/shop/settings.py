from realtime_ai.settings.development import *  # noqa: F403
from realtime_ai.settings.development import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.shop"]

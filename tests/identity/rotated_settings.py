"""As the suite's servers are, after a change of ``SECRET_KEY``."""

from tests.support.quiet_settings import *  # noqa: F403
from tests.support.quiet_settings import SECRET_KEY as BEFORE

SECRET_KEY = "another-for-tests-only-" + "9876543210" * 4
SECRET_KEY_FALLBACKS = [BEFORE]

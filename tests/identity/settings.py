"""As the suite's servers are, and with a look at the credentials each second."""

from tests.support.quiet_settings import *  # noqa: F403

IDENTITY_CHECK_SECONDS = 1.0

"""As the suite's servers are, and with so long between two looks at the credentials that only a hint can be the reason."""

from tests.support.quiet_settings import *  # noqa: F403

IDENTITY_CHECK_SECONDS = 3600.0

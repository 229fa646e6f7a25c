"""The shop's, for a server that many tests share: it takes over nothing that another test's server has left behind."""

from tests.shop.settings import *  # noqa: F403

CHAT_ORPHANS_AT_ONCE = 0

"""The secrets that webhooks are signed with. The database has them sealed with ``SECRET_KEY``: a dump alone signs nothing."""

import base64
import os

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

PREFIX = "whsec_"
_BYTES = 24


def new_secret() -> str:
    """In the form of Standard Webhooks; shown to a person once."""
    return PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()


def sealed(secret: str) -> str:
    return _seal().encrypt(secret.encode()).decode()


def key_of(seal: str) -> bytes | None:
    """What messages are signed with; None where neither ``SECRET_KEY`` nor ``SECRET_KEY_FALLBACKS`` opens it any more."""
    try:
        secret = _seal().decrypt(seal.encode()).decode()
    except InvalidToken:
        return None
    return base64.b64decode(secret.removeprefix(PREFIX))


def _seal() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (
        salted_hmac("sessions_app.webhooks", "", secret=key, algorithm="sha256").digest() for key in keys
    )
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])

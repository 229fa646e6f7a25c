"""The codes with which sockets are closed."""

from typing import Any

from chat.errors import ChatError
from chat.wire.codes import CloseCode
from sessions_app.errors import SessionsError
from tests.protocol.test_server_events import subclasses


def test_every_error_closes_with_a_code_of_the_set() -> None:
    errors: list[type[Any]] = [*subclasses(ChatError), *subclasses(SessionsError)]

    assert {cls.close_code for cls in errors if cls.close_code is not None} <= {
        int(code) for code in CloseCode
    }


def test_a_code_tells_what_it_means() -> None:
    assert int(CloseCode.SESSION_NOT_FOUND) == 4404
    assert CloseCode.SESSION_NOT_FOUND.meaning == "there is no such session, or it is not yours"
    assert all(code.meaning for code in CloseCode)


VENDORS_RECONNECT_ON = {1001, 1005, 1006, 1011, 1012, 1013, 1015}


def test_what_may_be_tried_again_closes_with_a_code_on_which_the_vendors_clients_reconnect() -> None:
    """But for a client that comes too often."""
    errors: list[type[Any]] = [*subclasses(ChatError), *subclasses(SessionsError)]
    codes = {cls.close_code for cls in errors if cls.retryable and cls.close_code is not None}

    assert codes - {CloseCode.RATE_LIMITED} <= VENDORS_RECONNECT_ON
    assert {CloseCode.RESTARTING, CloseCode.OVERLOADED} <= codes

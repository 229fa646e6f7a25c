"""The listening socket: bound by the supervisor before anything is started, and handed to the web processes."""

import errno
import http.client
import socket

from realtime_ai.env import Env
from realtime_ai.supervisor.plan import SupervisorError

_REASONS = {
    errno.EADDRINUSE: "PORT={port}: something else listens on {host}. Stop it, or set PORT to a free one.",
    errno.EACCES: "PORT={port}: this user may not use it. Set PORT to 1024 or more.",
    errno.EADDRNOTAVAIL: "HOST={host}: no address of this machine. Set HOST to 127.0.0.1, or 0.0.0.0 for all.",
}


def bind(env: Env) -> socket.socket:
    """A bound socket that does not listen yet: connections are refused until a web process is there.

    Raises `SupervisorError` naming the variable at fault.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(env.host, env.port, type=socket.SOCK_STREAM)[
            0
        ]
    except (OSError, UnicodeError):  # the latter: an empty label, or one that is too long
        raise SupervisorError(
            f"HOST={env.host}: no such host. Set HOST to 127.0.0.1, or 0.0.0.0 for all."
        ) from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = _REASONS.get(error.errno or 0, "HOST={host} PORT={port}: " + (error.strerror or "unusable"))
        raise SupervisorError(reason.format(host=env.host, port=env.port)) from None
    return listener


def local_address(listener: socket.socket) -> tuple[str, int]:
    """Where this machine itself reaches it."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - compared, not bound


def base_url(listener: socket.socket) -> str:
    host, port = local_address(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def public_url(env: Env, listener: socket.socket, *, serve: bool) -> str:
    """Where a browser gets in: with https that is the proxy's address, and only by a name that is served."""
    from django.http.request import validate_host

    host, port = local_address(listener)
    names = [name.lstrip(".") for name in env.allowed_hosts if name != "*"]
    if serve and not env.insecure_http and names:
        return f"https://{names[0]}"
    if not env.allowed_hosts or validate_host(f"[{host}]" if ":" in host else host, env.allowed_hosts):
        return base_url(listener)
    return f"http://{names[0]}:{port}"


def answers(listener: socket.socket) -> bool:
    """Whether a web process serves on it by now."""
    link = http.client.HTTPConnection(*local_address(listener), timeout=1.0)
    try:
        link.request("GET", "/healthz")
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()

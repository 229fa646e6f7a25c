"""One web process: uvicorn on a socket that the supervisor has bound. ``python -m realtime_ai.server --fd N``."""

import argparse
import gc
import os
import socket
import sys

from uvicorn import Config, Server

from realtime_ai.env import Env, EnvError, load_env
from realtime_ai.front.uvicorn import HttpProtocol, WebSocketProtocol
from realtime_ai.processes import watch_supervisor

BACKLOG = 2048
PING_SECONDS = 20.0


def server_config(env: Env) -> Config:
    """How uvicorn serves us, measured and reasoned in docs/architecture.md."""
    return Config(
        "realtime_ai.asgi:application",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=env.chat.max_frame_bytes,  # a larger frame closes its socket with 1009 before it is in memory
        ws_per_message_deflate=False,  # tokens are small; a compressor costs memory for each idle socket
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        lifespan="on",
        log_config=None,  # Django's LOGGING
        access_log=False,
        server_header=False,
        proxy_headers=bool(env.trust_proxy),
        forwarded_allow_ips=list(env.trust_proxy),
        backlog=BACKLOG,
        timeout_graceful_shutdown=2,  # sockets are told 1012 at once; draining answers is the lifespan's part
    )


_COLLECTIONS = (2_000, 5, 500)
"""Young objects are collected as ever, a few milliseconds at a time. A full collection stood still for 140 ms with 350 answers, and
found nothing: what ends leaves no garbage (docs/decisions/0106-nothing-holds-itself.md). What does is found after five million objects."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m realtime_ai.server")
    parser.add_argument("--fd", type=int, required=True, help="the listening socket's file descriptor")
    fd = parser.parse_args(arguments).fd
    os.environ["DJANGO_SETTINGS_MODULE"] = (
        os.environ.get("DJANGO_SETTINGS_MODULE") or "realtime_ai.settings.production"
    )
    watch_supervisor()
    try:
        listener = socket.socket(fileno=fd)
        # A program that a tool starts must not keep the port when we are gone.
        listener.set_inheritable(False)
        gc.disable()  # until all is loaded: nothing of it is garbage
        config = server_config(load_env())
        config.load()
        gc.collect()
        gc.freeze()  # what stays for ever is not looked through again whenever a crowd has come or gone
        gc.set_threshold(*_COLLECTIONS)
        gc.enable()
        server = Server(config)
        server.run(sockets=[listener])
    except EnvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

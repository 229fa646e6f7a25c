#!/usr/bin/env bash
# uvicorn 0.54.0: with `websockets-sansio`, a WebSocket that the application refuses by an HTTP answer is logged as a fault of the application.
#
# ASGI's extension `websocket.http.response` lets an application refuse a handshake with a status, headers and a body of its own. The
# client gets all of it. One would expect the server to take that for the complete answer that it is, as it takes `websocket.close`
# (403) for one; each such refusal is an ERROR in the log, "ASGI callable returned without completing handshake.". So whoever knocks
# without a credential fills the log with what looks like a broken application, or an alarm rings. Of the other two implementations
# that uvicorn has, neither says so.
#
# Seen (uvicorn 0.54.0, websockets 17.4, wsproto 1.3.2, Python 3.11), a refusal by 401 and its body:
#   websockets: HTTP/1.1 401, body 'no key', errors []
#   wsproto: HTTP/1.1 401, body 'no key', errors []
#   websockets-sansio: HTTP/1.1 401, body 'no key', errors ['ASGI callable returned without completing handshake.']
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 websockets==17.4 wsproto==1.3.2
cat > "$folder/run.py" <<'PYTHON'
import asyncio
import logging
import warnings

import uvicorn

warnings.simplefilter("ignore", DeprecationWarning)
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Kept(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


async def app(scope, receive, send):
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"6")]
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"no key"})


async def refused(implementation):
    config = uvicorn.Config(app, port=0, http="httptools", ws=implementation, lifespan="off", log_config=None)
    server, kept = uvicorn.Server(config), Kept()
    logging.getLogger("uvicorn.error").addHandler(kept)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    writer.write(HANDSHAKE)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await asyncio.sleep(0.2)
    server.should_exit = True
    await serving
    logging.getLogger("uvicorn.error").removeHandler(kept)
    head, _, body = answer.partition(b"\r\n\r\n")
    return f"{head[:12].decode()}, body {body.decode()!r}, errors {kept.texts}"


async def main():
    for implementation in ("websockets", "wsproto", "websockets-sansio"):
        print(f"{implementation}: {await refused(implementation)}")


asyncio.run(main())
PYTHON
seen=$("$folder/venv/bin/python" "$folder/run.py" 2>"$folder/errors" || cat "$folder/errors")
echo "$seen"
[ "$seen" = "websockets: HTTP/1.1 401, body 'no key', errors []
wsproto: HTTP/1.1 401, body 'no key', errors []
websockets-sansio: HTTP/1.1 401, body 'no key', errors ['ASGI callable returned without completing handshake.']" ]

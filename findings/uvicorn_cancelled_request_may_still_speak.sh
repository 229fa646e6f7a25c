#!/usr/bin/env bash
# uvicorn 0.54.0, told to go down (SIGTERM) while a stream of server-sent events is open.
#
# The application is not told. After timeout_graceful_shutdown its task is cancelled, and a stream that has no last event
# breaks off: the client sees an incomplete chunked body. But the connection is still there when the cancellation arrives: an
# application that catches it may send its last event and end the body, and the client reads a stream that is whole.
#
# Output seen (29 November 2026, Python 3.11):
#   an application that is cancelled: incomplete
#   one that catches it and says so: whole, its last line: data: going down
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check uvicorn==0.54.0 >/dev/null 2>&1
cat > down.py <<'PY'
import asyncio
import http.client
import os
import signal
import sys
import threading

import uvicorn

SPEAKS = sys.argv[1] == "speaks"


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if SPEAKS:
            await send({"type": "http.response.body", "body": b"data: going down\n\n", "more_body": False})
        raise


def read(server):
    while not server.started:
        pass
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read(len(b"data: first\n\n"))
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        print("whole, its last line:", response.read().decode().strip(), flush=True)
    except (http.client.IncompleteRead, ConnectionError):
        print("incomplete", flush=True)


signal.signal(signal.SIGTERM, signal.SIG_IGN)  # uvicorn raises it again in the end
config = uvicorn.Config(app, port=0, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
server = uvicorn.Server(config)
reader = threading.Thread(target=read, args=[server], daemon=True)
reader.start()
server.run()
reader.join(10)
PY
{
  echo "an application that is cancelled: $(venv/bin/python down.py silent)"
  echo "one that catches it and says so: $(venv/bin/python down.py speaks)"
} | tee seen
diff - seen <<'SEEN'
an application that is cancelled: incomplete
one that catches it and says so: whole, its last line: data: going down
SEEN

#!/usr/bin/env bash
# uvicorn 0.54.0: each WebSocket leaves its HTTP protocol behind as garbage that only a collection of cycles frees.
#
# One would expect the parts of a connection that were needed for the handshake to be free when it is over. After an upgrade the
# transport has another protocol, so the HTTP one never hears `connection_lost`, where it lets go of its parser; and the parser holds
# six of its methods. Protocol, parser, methods and the dictionary of the request stay until the garbage collector comes. A server
# that makes its collections rare, for the pauses that they are, keeps one such group for each socket that ever was. Of plain requests
# nothing of the kind stays.
#
# Seen (uvicorn 0.54.0, httptools, websockets-sansio, Python 3.11), collections switched off, 20 of each:
#   after 20 requests: protocols 0
#   after 20 sockets: protocols 20
#   after a collection: protocols 0
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 httptools==0.9.0 websockets==17.4
cat > "$folder/run.py" <<'PYTHON'
import asyncio
import gc

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.asyncio.client import connect


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


def protocols():
    return sum(type(one) is HttpToolsProtocol for one in gc.get_objects())


async def request(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def main():
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, http="httptools", ws="websockets-sansio", lifespan="off", log_level="error")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    gc.disable()
    for _ in range(20):
        await request(port)
    await asyncio.sleep(0.5)
    print("after 20 requests: protocols", protocols())
    for _ in range(20):
        async with connect(f"ws://127.0.0.1:{port}/"):
            pass
    await asyncio.sleep(0.5)
    print("after 20 sockets: protocols", protocols())
    gc.collect()
    print("after a collection: protocols", protocols())
    server.should_exit = True
    await serving


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
after 20 requests: protocols 0
after 20 sockets: protocols 20
after a collection: protocols 0
SEEN

#!/usr/bin/env bash
# uvicorn 0.54.0: an application is told of a WebSocket whose connection broke by the code of one that its client closed, 1005.
#
# By RFC 6455 (7.1.5) 1005 stands for a close frame that came and held no code, which is what a browser's `socket.close()`
# sends; where none came at all, since a network or a process died, the code is 1006. One would expect `websocket.disconnect`
# to say which it was, and to tell by it those who left from those who will come back; all of them seem to have left.
# It is so with both of its protocols that are not deprecated.
#
# Seen (uvicorn 0.54.0, websockets 17.4, wsproto 1.3.2, Python 3.11):
#   websockets-sansio: closed 1005, lost 1005
#   wsproto: closed 1005, lost 1005
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 websockets==17.4 wsproto==1.3.2
cat > "$folder/run.py" <<'PYTHON'
import asyncio
import base64
import os
import sys

import uvicorn

HANDSHAKE = "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
EMPTY_CLOSE = b"\x88\x80" + os.urandom(4)  # masked, no code, no reason


async def told(protocol, leave):
    """The code of `websocket.disconnect` that the application gets."""
    codes = asyncio.get_running_loop().create_future()

    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        codes.set_result((await receive()).get("code"))

    config = uvicorn.Config(app, port=0, ws=protocol, lifespan="off", log_level="critical")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(f"{HANDSHAKE}Sec-WebSocket-Key: {key}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    leave(writer)
    code = await asyncio.wait_for(codes, 10)
    writer.close()
    server.should_exit = True
    await serving
    return code


async def main():
    for protocol in sys.argv[1:]:
        closed = await told(protocol, lambda writer: writer.write(EMPTY_CLOSE))
        reset = await told(protocol, lambda writer: writer.transport.abort())
        print(f"{protocol}: closed {closed}, lost {reset}")


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/run.py" websockets-sansio wsproto | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
websockets-sansio: closed 1005, lost 1005
wsproto: closed 1005, lost 1005
SEEN

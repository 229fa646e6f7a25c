#!/usr/bin/env bash
# aiohttp 3.14.5: bytes of an answer that have arrived, and are not read yet, are not given when the connection ends too early.
#
# One would expect a reader to hand over what came and to raise behind it, as httpx does. aiohttp's StreamReader looks for the
# error first: as soon as the connection is lost each read raises, whatever lies in its buffer. So what a program gets
# of an answer that breaks off depends on how busy it was: who waits for each byte has them all, who came a moment
# late has none. With a stream of a model's words that is the last sentence before the failure.
#
# Seen (aiohttp 3.14.5, httpx 0.28.1, Python 3.11):
#   aiohttp, waiting: 'Hello', then ClientPayloadError
#   aiohttp, a moment late: '', then ClientPayloadError
#   httpx, waiting: 'Hello', then RemoteProtocolError
#   httpx, a moment late: 'Hello', then RemoteProtocolError
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5 httpx==0.28.1
cat > "$folder/run.py" <<'PYTHON'
import asyncio

import aiohttp
import httpx

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


async def breaks_off(reader, writer):
    """Sends a piece of an answer, and is gone a moment later."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD)
    await asyncio.sleep(0.2)
    writer.write(b"5\r\nHello\r\n")
    await asyncio.sleep(0.2)
    writer.close()


async def collected(pieces, late):
    got = b""
    await asyncio.sleep(0.8 if late else 0)
    try:
        async for piece in pieces:
            got += piece
    except Exception as error:
        return f"{got.decode()!r}, then {type(error).__name__}"
    return repr(got)


async def by_aiohttp(url, late):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await collected(answer.content.iter_any(), late)


async def by_httpx(url, late):
    async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url) as answer:
        return await collected(answer.aiter_raw(), late)


async def main():
    server = await asyncio.start_server(breaks_off, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
    for name, ask in (("aiohttp", by_aiohttp), ("httpx", by_httpx)):
        for when, late in (("waiting", False), ("a moment late", True)):
            print(f"{name}, {when}:", await ask(url, late))
    server.close()


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
aiohttp, waiting: 'Hello', then ClientPayloadError
aiohttp, a moment late: '', then ClientPayloadError
httpx, waiting: 'Hello', then RemoteProtocolError
httpx, a moment late: 'Hello', then RemoteProtocolError
SEEN

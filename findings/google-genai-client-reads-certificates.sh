#!/usr/bin/env bash
# google-genai 3.4.0: a client that is given its own HTTP client reads the world's certificates all the same.
#
# One would expect `genai.Client(http_options=HttpOptions(httpx_client=..., httpx_async_client=...))` to be cheap: whoever gives both
# has said how to connect. But each client makes an `ssl.SSLContext` from certifi's file for the WebSocket of the Live API, whether
# that is ever used or not: some 140 certificates, 10 to 20 ms of CPU. Who makes a client for each user's key, or for each
# test, pays for it each time. A context of one's own under `async_client_args={"ssl": ...}` is taken instead.
#
# Seen (google-genai 3.4.0, Python 3.11), contexts that were made from a file of certificates:
#   a client with both HTTP clients given: 1
#   the same with a context given: 0
# Exits 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-genai==3.4.0
cat > "$folder/run.py" <<'PYTHON'
import importlib
import inspect
import ssl

from google import genai
from google.genai import types

http = importlib.import_module(
    inspect.getmodule(type(genai.Client(api_key="none")._api_client._httpx_client).__mro__[1]).__name__.split(".")[0]
)
given = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
clients = {"httpx_client": http.Client(verify=given), "httpx_async_client": http.AsyncClient(verify=given)}
made = []
create = ssl.create_default_context


def counted(*args, **kwargs):
    made.append(kwargs.get("cafile"))
    return create(*args, **kwargs)


ssl.create_default_context = counted
for name, more in (("a client with both HTTP clients given", {}), ("the same with a context given", {"async_client_args": {"ssl": given}})):
    made.clear()
    genai.Client(api_key="none", http_options=types.HttpOptions(**clients, **more))
    print(f"{name}: {sum(1 for one in made if one)}")
PYTHON
"$folder/venv/bin/python" "$folder/run.py" | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
a client with both HTTP clients given: 1
the same with a context given: 0
SEEN

#!/usr/bin/env bash
# pipecat-ai 1.14.0 (PyPI): pipecat.services.openai.realtime.events.parse_server_event.
#
# The Realtime API (GA) has items of type mcp_call (a tool that the server runs), and openai's own types take them. One
# would expect Pipecat to pass over an item that it has no use for, as it passes over events whose type it does not know
# (for those it returns None). But an event that it knows with an item that it does not know raises, and its receive
# loop calls the parser outside of any try: after the first tool of a server's the service reads no more.
#
# Output seen (28 November 2026, Python 3.11):
#   unknown event: None
#   mcp_call item: raised
#   the same item by openai's types: mcp_call
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q "pipecat-ai[openai]==1.14.0" "openai==3.57.0" 2>/dev/null
cat > "$work/parse.py" <<'PY'
import json

from openai.types.realtime import ConversationItemAdded
from pipecat.services.openai.realtime.events import parse_server_event

call = {"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "add", "arguments": "{}", "output": "42"}
added = {"type": "conversation.item.added", "event_id": "e1", "previous_item_id": "item_1", "item": call}
print("unknown event:", parse_server_event(json.dumps({"type": "something.new", "event_id": "e0"})))
try:
    parse_server_event(json.dumps(added))
    print("mcp_call item: taken")
except Exception:
    print("mcp_call item: raised")
print("the same item by openai's types:", ConversationItemAdded.model_validate(added).item.type)
PY
"$work/venv/bin/python" -W ignore "$work/parse.py" 2>/dev/null | tee "$work/seen"
diff "$work/seen" - <<'SEEN'
unknown event: None
mcp_call item: raised
the same item by openai's types: mcp_call
SEEN

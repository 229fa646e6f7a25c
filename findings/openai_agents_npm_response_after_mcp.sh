#!/usr/bin/env bash
# @openai/agents-realtime 0.20.0 (npm, also in @openai/agents 0.20.0): RealtimeSession with its defaults, against a
# server that speaks the OpenAI Realtime API (here: fifty lines that do).
#
# One response holds a tool that the server runs (an mcp_call item) and, behind it, the text of its answer, as the
# Realtime API allows: nothing is left to be answered. The SDK sends a response.create of its own all the same, as soon
# as that response is done, once for each mcp_call; a server that takes it as it stands gives, and bills, a second
# answer that nobody asked for. (The option automaticallyTriggerResponseForMcpToolCalls: false turns it off.) It then
# holds every later response.create back until that one has had its response.created or response.done, or an error with
# its event_id: so a server must not just ignore it.
#
# Output seen (28 November 2026, Node 20.20):
#   response.create sent for one question: 2
#   events that the application was told: agent_start, agent_end, agent_start, agent_end
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @openai/agents-realtime@0.20.0 ws@8.23.0 zod@4.6.7 >/dev/null 2>&1
cat > asks.mjs <<'JS'
import { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";
import { WebSocket, WebSocketServer } from "ws";

globalThis.WebSocket ??= WebSocket;
let asked = 0;
let number = 0;
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "realtime" });
server.on("connection", (socket) => {
  const say = (type, fields) => socket.send(JSON.stringify({ type, event_id: `e${++number}`, ...fields }));
  const session = { type: "realtime", object: "realtime.session", id: "sess_1", model: "m" };
  say("session.created", { session });
  socket.on("message", (frame) => {
    const event = JSON.parse(frame);
    if (event.type === "session.update") say("session.updated", { session: { ...session, ...event.session } });
    if (event.type === "conversation.item.create") {
      const item = { object: "realtime.item", status: "completed", id: "item_u", ...event.item };
      say("conversation.item.added", { previous_item_id: null, item });
      say("conversation.item.done", { previous_item_id: null, item });
    }
    if (event.type !== "response.create") return;
    const id = `resp_${++asked}`;
    const response = { object: "realtime.response", id, status: "in_progress", output: [] };
    say("response.created", { response });
    const output = [];
    if (asked === 1) {
      const call = { type: "mcp_call", id: "mcp_1", server_label: "s", name: "add", arguments: "{}", output: "42" };
      say("response.output_item.added", { response_id: id, output_index: 0, item: { ...call, output: null } });
      say("conversation.item.added", { previous_item_id: "item_u", item: { ...call, output: null } });
      say("conversation.item.done", { previous_item_id: "item_u", item: call });
      say("response.output_item.done", { response_id: id, output_index: 0, item: call });
      output.push(call);
    }
    const content = [{ type: "output_text", text: `Answer ${asked}: 42.` }];
    const text = { object: "realtime.item", type: "message", id: `msg_${asked}`, role: "assistant", status: "completed", content };
    say("response.output_item.done", { response_id: id, output_index: output.length, item: text });
    output.push(text);
    say("response.done", { response: { ...response, status: "completed", output } });
  });
});
await new Promise((resolve) => server.on("listening", resolve));
const session = new RealtimeSession(new RealtimeAgent({ name: "A" }), { transport: "websocket", model: "m" });
const told = [];
for (const name of ["agent_start", "agent_end"]) session.on(name, () => told.push(name));
session.on("error", () => {});
await session.connect({ apiKey: "none", url: `ws://127.0.0.1:${server.address().port}` });
session.sendMessage("What is 6*7?");
await new Promise((resolve) => setTimeout(resolve, 3000));
console.log(`response.create sent for one question: ${asked}`);
console.log(`events that the application was told: ${told.join(", ")}`);
process.exit(0);
JS
node --no-warnings asks.mjs 2>/dev/null | tee seen
diff seen - <<'SEEN'
response.create sent for one question: 2
events that the application was told: agent_start, agent_end, agent_start, agent_end
SEEN

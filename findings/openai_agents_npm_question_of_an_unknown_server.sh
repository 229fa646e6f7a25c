#!/usr/bin/env bash
# @openai/agents 0.20.0 (npm): an agent over the Responses API (here: twenty lines that speak it).
#
# A response holds a question whether a tool may run (mcp_approval_request). Where the agent has a hosted MCP tool of the
# question's server_label, the run is interrupted and the program is asked. Where it has none, the run throws, so that a
# server which offers tools of its own has to be declared by every program. Once it is approved, the SDK sends the whole
# history again, with mcp_approval_request and mcp_approval_response in it, and no previous_response_id: the id of the
# question is all that says where it belongs.
#
# Output seen (29 November 2026, Node 20.20):
#   without a hosted tool: ModelBehaviorError: MCP server (server) not found in Agent (Desk)
#   with one: asked for pay; then sent message, mcp_approval_request, mcp_approval_response; previous_response_id: none
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @openai/agents@0.20.0 zod@4.6.7 >/dev/null 2>&1
cat > asks.mjs <<'JS'
import { createServer } from "node:http";
import { Agent, hostedMcpTool, OpenAIResponsesModel, run, setTracingDisabled } from "@openai/agents";
import OpenAI from "openai";

setTracingDisabled(true);
const bodies = [];
const question = { type: "mcp_approval_request", id: "q1", server_label: "server", name: "pay", arguments: "{}" };
const words = { type: "message", id: "m1", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Done.", annotations: [] }] };
const server = createServer((request, answer) => {
  let text = "";
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    bodies.push(JSON.parse(text));
    const said = JSON.stringify(bodies.at(-1).input).includes("mcp_approval_response");
    answer.setHeader("content-type", "application/json");
    answer.end(JSON.stringify({ id: `r${bodies.length}`, object: "response", status: "completed", output: [said ? words : question] }));
  });
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
const model = new OpenAIResponsesModel(new OpenAI({ apiKey: "x", baseURL }), "m");

await run(new Agent({ name: "Desk", model }), "Pay").catch((error) => console.log(`without a hosted tool: ${error.name ?? error.constructor.name}: ${error.message}`));
const tools = [hostedMcpTool({ serverLabel: "server", serverUrl: baseURL, requireApproval: "always" })];
const agent = new Agent({ name: "Desk", model, tools });
const asked = await run(agent, "Pay");
const names = asked.interruptions.map((one) => one.rawItem.name);
for (const one of asked.interruptions) asked.state.approve(one);
await run(agent, asked.state);
const last = bodies.at(-1);
const kinds = last.input.map((one) => one.type ?? "message").join(", ");
console.log(`with one: asked for ${names}; then sent ${kinds}; previous_response_id: ${last.previous_response_id ?? "none"}`);
server.close();
JS
node --no-warnings asks.mjs

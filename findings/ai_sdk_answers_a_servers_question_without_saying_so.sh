#!/usr/bin/env bash
# ai 7.0.173 with @ai-sdk/openai 4.0.118 (npm), generateText over the Responses API: a tool of the server's asks whether it may run.
#
# The program finds the question (tool-approval-request) in the messages of the response, and answers it as it answers for a
# tool of its own: a message of the role tool with { type: "tool-approval-response", approvalId, approved }. One would expect
# it to be sent, for the call that the question belongs to is marked providerExecuted already. It is dropped, and so is the
# question: the server gets the user's message once more and nothing else, as if nobody had asked or answered. Only an answer
# that says providerExecuted: true itself is sent. Nothing warns of it.
#
# Output seen (29 November 2026, Node 20.20 and 22.23):
#   as for a tool of one's own: sent message
#   with providerExecuted: sent message, item_reference, mcp_approval_response
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund ai@7.0.173 @ai-sdk/openai@4.0.118 zod@4.6.7 >/dev/null 2>&1
cat > yes.mjs <<'JS'
import { createOpenAI } from "@ai-sdk/openai";
import { generateText } from "ai";

const question = { type: "mcp_approval_request", id: "ask_1", server_label: "bank", name: "pay", arguments: '{"amount":5}' };
let sent;
const fetch = async (_, { body }) => {
  sent = JSON.parse(body).input.map((item) => item.type ?? "message");
  const usage = { input_tokens: 1, output_tokens: 1 };
  return Response.json({ id: "resp_1", object: "response", created_at: 1, model: "m", status: "completed", output: [question], usage });
};
const model = createOpenAI({ apiKey: "x", baseURL: "http://127.0.0.1/v1", fetch }).responses("m");
const user = { role: "user", content: "Pay" };
const asked = await generateText({ model, messages: [user] });
const { approvalId } = asked.content.find((part) => part.type === "tool-approval-request");

async function answered(with_) {
  const answer = { type: "tool-approval-response", approvalId, approved: true, ...with_ };
  await generateText({ model, messages: [user, ...asked.response.messages, { role: "tool", content: [answer] }] });
  return sent.join(", ");
}
console.log(`as for a tool of one's own: sent ${await answered({})}`);
console.log(`with providerExecuted: sent ${await answered({ providerExecuted: true })}`);
JS
node --no-warnings yes.mjs | tee seen
diff - seen <<'SEEN'
as for a tool of one's own: sent message
with providerExecuted: sent message, item_reference, mcp_approval_response
SEEN

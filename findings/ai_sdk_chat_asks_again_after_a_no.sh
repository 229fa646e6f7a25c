#!/usr/bin/env bash
# ai 7.0.173 (npm, the chat behind useChat) with sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
# the documented way to have a tool's question answered.
#
# The user says no. The server takes that, and answers in words, which is all that there is to say of a tool that does not
# run. The chat posts the same no again as soon as that answer is there, and again after the next: its part of the message
# stays "approval-responded", which the condition takes for something that was not sent yet. Only a chunk
# tool-output-denied for that call settles it, which the words for a user do not need and no error asks for.
#
# The server below says it with its third answer.
#
# Output seen (29 November 2026, Node 20.20):
#   posts after one no: 3
#   state of the tool's part before the chunk: approval-responded, after it: output-denied
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund ai@7.0.173 >/dev/null 2>&1
cat > no.mjs <<'JS'
import { AbstractChat, DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";

class Chat extends AbstractChat {}
const state = {
  status: "ready",
  messages: [],
  pushMessage(message) { this.messages = [...this.messages, message]; },
  popMessage() { this.messages = this.messages.slice(0, -1); },
  replaceMessage(index, message) { this.messages = this.messages.with(index, structuredClone(message)); },
  snapshot: structuredClone,
};
const call = { toolCallId: "call_1", toolName: "pay", dynamic: true };
const question = [
  { type: "start", messageId: "m" },
  { type: "tool-input-available", input: { amount: 5 }, ...call },
  { type: "tool-approval-request", approvalId: "ask_1", toolCallId: "call_1" },
  { type: "finish" },
];
const words = (id) => [
  { type: "start", messageId: "m" },
  { type: "text-start", id },
  { type: "text-delta", id, delta: "Then I will not." },
  { type: "text-end", id },
  { type: "finish" },
];
let posts = -1; // the first is the user's message
let before = "";
const part = () => state.messages.at(-1).parts.find((one) => one.type === "dynamic-tool");
const fetch = async () => {
  posts += 1;
  const chunks = posts === 0 ? question : words(`t${posts}`);
  if (posts === 3) {
    before = part().state;
    chunks.splice(1, 0, { type: "tool-output-denied", toolCallId: "call_1" });
  }
  return new Response(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(""), { status: 200 });
};
const chat = new Chat({
  id: "c",
  state,
  sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  transport: new DefaultChatTransport({ api: "http://127.0.0.1/", fetch }),
});
await chat.sendMessage({ text: "Pay" });
await chat.addToolApprovalResponse({ id: "ask_1", approved: false });
await new Promise((done) => setTimeout(done, 1500));
console.log(`posts after one no: ${posts}`);
console.log(`state of the tool's part before the chunk: ${before}, after it: ${part().state}`);
JS
node no.mjs | tee seen
diff - seen <<'SEEN'
posts after one no: 3
state of the tool's part before the chunk: approval-responded, after it: output-denied
SEEN

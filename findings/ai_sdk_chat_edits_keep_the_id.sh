#!/usr/bin/env bash
# ai 7.0.173 (npm, the chat behind useChat): a message that is edited goes to the server under the id that it had, and
# the trigger is that of any other message.
#
# One would take a message's id for what makes a repeat harmless: the same id again, the same message. Here
# `sendMessage({ text, messageId })`, the documented way to edit one, posts another text under the same id with
# trigger "submit-message"; and a request that is repeated by hand after a lost answer looks the same but for its text.
# (`messageId` stands in the body in the one case, but a transport may leave it out.) A server that
# keeps what it has under an id answers the old question; one that stores by id alone overwrites what was said.
#
# Output seen (29 November 2026, Node 20.20):
#   submit-message: one message, the same id as before: true, text: Count to 5
#   roles in the chat: user, assistant
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund ai@7.0.173 >/dev/null 2>&1
cat > edit.mjs <<'JS'
import { AbstractChat, DefaultChatTransport } from "ai";

class Chat extends AbstractChat {}
const state = {
  status: "ready",
  messages: [],
  pushMessage(message) { this.messages = [...this.messages, message]; },
  popMessage() { this.messages = this.messages.slice(0, -1); },
  replaceMessage(index, message) { this.messages = this.messages.with(index, structuredClone(message)); },
  snapshot: structuredClone,
};
const bodies = [];
const answer = () => {
  const id = `answer_${bodies.length}`;
  const chunks = [{ type: "start", messageId: id }, { type: "text-start", id }, { type: "text-end", id }, { type: "finish" }];
  return new Response(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(""), { status: 200 });
};
const fetch = async (_, { body }) => (bodies.push(JSON.parse(body)), answer());
const chat = new Chat({ id: "c", state, transport: new DefaultChatTransport({ api: "http://127.0.0.1/", fetch }) });
await chat.sendMessage({ text: "Count to 10" });
await chat.sendMessage({ text: "Count to 5", messageId: chat.messages[0].id });
const [first, second] = bodies;
const same = first.messages[0].id === second.messages[0].id;
const count = second.messages.length === 1 ? "one message" : `${second.messages.length} messages`;
console.log(`${second.trigger}: ${count}, the same id as before: ${same}, text: ${second.messages[0].parts[0].text}`);
console.log(`roles in the chat: ${chat.messages.map((message) => message.role).join(", ")}`);
JS
node edit.mjs | tee seen
diff - seen <<'SEEN'
submit-message: one message, the same id as before: true, text: Count to 5
roles in the chat: user, assistant
SEEN

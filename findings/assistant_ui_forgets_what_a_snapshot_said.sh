#!/usr/bin/env bash
# @assistant-ui/react-ag-ui 0.0.57 with @ag-ui/client 0.0.58 (npm), rendered in Node, its agent a list of events.
#
# AG-UI joins a running answer by a MESSAGES_SNAPSHOT with its text so far, and the same message begun again with the rest. The
# client's own list then has the whole text. assistant-ui, which keeps a list of its own, rebuilds the message from what was
# streamed in this run: the text of the snapshot is gone. And where the snapshot ends in a tool's call and RUN_FINISHED brings
# the question about it (an interrupt), the question is lost: no button, and nothing that the page could answer.
#
# Output seen (29 November 2026, Node 20.20):
#   a text that goes on: the client has "Hello, you", assistant-ui shows ", you"
#   a tool that waits: 1 interrupt was told, assistant-ui has 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @assistant-ui/react@0.15.22 @assistant-ui/react-ag-ui@0.0.57 \
  @ag-ui/client@0.0.58 react@19.3.1 react-dom@19.3.1 react-test-renderer@19.3.1 rxjs@7.8.1 >/dev/null 2>&1
cat > page.mjs <<'JS'
import { AbstractAgent } from "@ag-ui/client";
import { useAgUiRuntime } from "@assistant-ui/react-ag-ui";
import { createElement } from "react";
import { create } from "react-test-renderer";
import { from } from "rxjs";

console.error = () => {};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const ids = { threadId: "t", runId: "r" };
async function page(messages, ...rest) {
  class Agent extends AbstractAgent {
    run() {
      return from([{ type: "RUN_STARTED", ...ids }, { type: "MESSAGES_SNAPSHOT", messages }, ...rest]);
    }
  }
  const agent = new Agent({ threadId: "t" });
  const history = { load: async () => ({ messages: [], unstable_resume: true }), append: async () => {} };
  let runtime;
  const Page = () => {
    runtime = useAgUiRuntime({ agent, adapters: { history } });
    return null;
  };
  create(createElement(Page));
  await pause(500);
  return { agent, runtime };
}

const user = { id: "u1", role: "user", content: "Hi" };
const text = { messageId: "a1" };
const { agent, runtime } = await page(
  [user, { id: "a1", role: "assistant", content: "Hello" }],
  { type: "TEXT_MESSAGE_START", role: "assistant", ...text },
  { type: "TEXT_MESSAGE_CONTENT", delta: ", you", ...text },
  { type: "TEXT_MESSAGE_END", ...text },
  { type: "RUN_FINISHED", ...ids },
);
const shown = runtime.thread.getState().messages.at(-1).content.map((part) => part.text).join("");
console.log(`a text that goes on: the client has "${agent.messages.at(-1).content}", assistant-ui shows "${shown}"`);

const toolCalls = [{ id: "c1", type: "function", function: { name: "pay", arguments: "{}" } }];
const interrupts = [{ id: "c1", reason: "tool_call", toolCallId: "c1", message: "Pay?" }];
const waiting = await page([user, { id: "c1", role: "assistant", toolCalls }], {
  type: "RUN_FINISHED", ...ids, outcome: { type: "interrupt", interrupts },
});
const open = waiting.runtime.unstable_getPendingInterrupts().length;
console.log(`a tool that waits: ${waiting.agent.pendingInterrupts.length} interrupt was told, assistant-ui has ${open}`);
process.exit(0);
JS
node page.mjs | tee seen
diff - seen <<'SEEN'
a text that goes on: the client has "Hello, you", assistant-ui shows ", you"
a tool that waits: 1 interrupt was told, assistant-ui has 0
SEEN

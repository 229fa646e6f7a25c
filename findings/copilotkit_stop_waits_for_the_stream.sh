#!/usr/bin/env bash
# @copilotkit/core 1.75.0 (npm), its runtimeUrl at a server of thirty lines, run in Node as in a browser.
#
# stopAgent() posts to /agent/{id}/stop/{threadId} and does not close the stream of the run: runAgent() goes on until the
# server ends it, so a server that only notes the wish leaves the page "running" for ever. And a page that reads the same
# answer through /connect is shown an error for the stop, whatever code the server's RUN_ERROR has, but for one: "abort",
# the word of the client's own abortRun(), is passed over.
#
# Output seen (29 November 2026, Node 20.20):
#   after the stop was posted: the stream is open, the run goes on
#   errors that a reading page is told, RUN_ERROR code cancelled: 1, code abort: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init -y >/dev/null
npm install --silent --ignore-scripts --no-audit --no-fund @copilotkit/core@1.75.0 >/dev/null 2>&1
cat > stop.mjs <<'JS'
import { createServer } from "node:http";
import { CopilotKitCore } from "@copilotkit/core";

globalThis.window = globalThis;
console.warn = console.error = () => {};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let running;
let stopped = false;
let code = "cancelled";
const say = (response, event) => response.write(`data: ${JSON.stringify({ threadId: "t", runId: "r", ...event })}\n\n`);
const server = createServer((request, response) => {
  if (request.url.endsWith("/info")) {
    const agents = { default: { name: "default", description: "", className: "Agent" } };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version: "1", agents, mode: "sse", audioFileTranscriptionEnabled: false }));
  } else if (request.url.includes("/stop/")) {
    stopped = true;
    response.end("{}");
  } else {
    response.setHeader("content-type", "text/event-stream");
    say(response, { type: "RUN_STARTED" });
    if (request.url.endsWith("/run")) {
      running = response;
      return;
    }
    say(response, { type: "RUN_ERROR", message: "The answer was stopped.", code });
    response.end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const core = new CopilotKitCore({ runtimeUrl: `http://127.0.0.1:${server.address().port}`, runtimeTransport: "rest" });
let errors = 0;
core.subscribe({ onError: () => void errors++ });
while (core.runtimeConnectionStatus !== "connected") await pause(20);
const agent = core.getAgent("default");
agent.threadId = "t";
let over = false;
const run = core.runAgent({ agent }).then(() => (over = true));
while (!running) await pause(20);
core.stopAgent({ agent });
while (!stopped) await pause(20);
await pause(500);
console.log(`after the stop was posted: the stream is ${running.destroyed ? "closed" : "open"}, the run ${over ? "is over" : "goes on"}`);
say(running, { type: "RUN_FINISHED" });
running.end();
await run;
const page = new CopilotKitCore({ runtimeUrl: `http://127.0.0.1:${server.address().port}`, runtimeTransport: "rest" });
page.subscribe({ onError: () => void errors++ });
while (page.runtimeConnectionStatus !== "connected") await pause(20);
const reader = page.getAgent("default");
reader.threadId = "t";
const seen = [];
for (code of ["cancelled", "abort"]) {
  errors = 0;
  await page.connectAgent({ agent: reader });
  seen.push(errors);
}
console.log(`errors that a reading page is told, RUN_ERROR code cancelled: ${seen[0]}, code abort: ${seen[1]}`);
process.exit(0);
JS
node stop.mjs | tee seen
diff - seen <<'SEEN'
after the stop was posted: the stream is open, the run goes on
errors that a reading page is told, RUN_ERROR code cancelled: 1, code abort: 0
SEEN

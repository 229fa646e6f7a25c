// OpenAI's agents with their defaults: audio in the settings, a response.create of their own after each tool of the server's.

import { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";
import { WebSocket as WebSocketOfWs } from "ws";

globalThis.WebSocket ??= WebSocketOfWs;
const given = JSON.parse(process.argv[2]);

const session = new RealtimeSession(new RealtimeAgent({ name: "Assistant", instructions: "Be brief." }), {
  transport: "websocket",
  model: "gpt-realtime",
});
const events = [];
const errors = [];
const waiting = [];
let read = 0;
session.transport.on("*", (event) => {
  events.push(event);
  for (const resolve of waiting.splice(0)) resolve();
});
session.on("error", (error) => errors.push(JSON.stringify(error)));

async function until(wanted) {
  for (;;) {
    while (read < events.length) {
      const event = events[read++];
      if (wanted(event)) return event;
    }
    await new Promise((resolve) => waiting.push(resolve));
  }
}

const textOf = ({ output }) =>
  output.filter((item) => item.type === "message").map((item) => item.content[0].text).join("");

await session.connect({ apiKey: "guest", url: given.url });
const answers = [];
for (const question of given.questions) {
  session.sendMessage(question);
  const { response } = await until((event) => event.type === "response.done" && textOf(event.response));
  answers.push(textOf(response));
  if (response.output.some((item) => item.type === "mcp_call")) {
    await until((event) => event.type === "response.done"); // of the one that it asked for unasked
  }
}
process.stdout.write(JSON.stringify({ answers, errors, events }), () => process.exit(0));

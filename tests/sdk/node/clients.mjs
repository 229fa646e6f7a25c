// OpenAI's npm clients, and one way to talk over any of them.

import { WebSocket as WebSocketOfWs } from "ws";

globalThis.WebSocket ??= WebSocketOfWs; // a Node of before 20.10 has none of its own

/** What the test said on the command line: `client` ("6 ws", "7 websocket", ...), `baseURL`, and more. */
export const given = JSON.parse(process.argv[2]);

const [version, transport] = given.client.split(" ");
const name = version === "7" ? "openai" : `openai-${version}`;
const { default: OpenAI } = await import(name);
const { OpenAIRealtimeWS, OpenAIRealtimeWebSocket } = await import(`${name}/realtime/${transport}`);
const Connection = OpenAIRealtimeWS ?? OpenAIRealtimeWebSocket;

export function connect(options = {}) {
  const client = new OpenAI({ apiKey: given.apiKey ?? "guest", baseURL: given.baseURL });
  return new Connection({ model: "gpt-realtime", ...options }, client); // what one writes by habit
}

/** One or more connections, one after the other, and what came over them. */
export class Talk {
  events = [];
  errors = [];
  closes = [];
  query = {};
  #waiting = [];
  #read = 0;

  add(connection) {
    this.connection = connection;
    connection.on("event", (event) => this.#take(event));
    connection.on("error", (error) => this.errors.push(error.message));
    return this;
  }

  /** The next event of that type, also one that has come already. */
  async until(type) {
    for (;;) {
      while (this.#read < this.events.length) {
        const event = this.events[this.#read++];
        if (event.type === type) return event;
      }
      await new Promise((resolve) => this.#waiting.push(resolve));
    }
  }

  async ask(text, response = {}) {
    const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
    this.connection.send({ type: "conversation.item.create", item });
    this.connection.send({ type: "response.create", response });
    return (await this.until("response.done")).response;
  }

  #take(event) {
    this.events.push(event);
    if (event.type === "session.created") {
      const { session_id, resume_token, last_event_id, truncated_to } = event.x_stream;
      this.query = { session_id, resume_token, last_event_id: truncated_to ?? last_event_id };
    } else if (event.event_id.startsWith("event_")) {
      this.query.last_event_id = event.event_id;
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Prints what there is to judge, and ends. */
export function report(talk, more = {}) {
  const { events, errors, closes } = talk;
  process.stdout.write(JSON.stringify({ events, errors, closes, ...more }), () => process.exit(0));
}

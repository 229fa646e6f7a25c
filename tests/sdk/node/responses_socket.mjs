// OpenAI's npm client on the socket of the Responses API: lanes, an error, words into an answer, and a cut that its callback resumes.

import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";

const given = JSON.parse(process.argv[2]);
const client = new OpenAI({ apiKey: given.apiKey ?? "guest", baseURL: given.baseURL, maxRetries: 0 });
const ENDS = ["response.completed", "response.incomplete", "response.failed"];
const told = {};

/** The socket and what comes on it; `until` gives what has come since it was asked last, up to the first that fits. */
function connect(options) {
  const socket = new ResponsesWS(client, options);
  const events = [];
  let taken = 0;
  let look = () => {};
  const note = (event) => {
    events.push(event);
    look();
  };
  socket.on("event", note);
  socket.on("error", () => {}); // it stands among the events, too
  const until = (fits) =>
    new Promise((resolve) => {
      look = () => {
        const place = events.findIndex((event, index) => index >= taken && fits(event));
        if (place < 0) return;
        look = () => {};
        resolve(events.slice(taken, (taken = place + 1)));
      };
      look();
    });
  return { socket, events, until };
}

const isEnd = (event) => ENDS.includes(event.type);

const first = connect();
first.socket.send({ type: "response.create", model: "demo", input: "count to 40", stream_id: "long" });
first.socket.send({ type: "response.create", model: "demo", input: "count to 3", stream_id: "short" });
const short = await first.until(isEnd);
const long = await first.until(isEnd);
told.lanes = [short.at(-1), long.at(-1)].map((event) => [event.stream_id, event.response.output_text ?? textOf(event.response)]);

first.socket.send({ type: "response.create", model: "demo", input: "x", previous_response_id: "resp_none" });
const refused = (await first.until((event) => event.type === "error")).at(-1).error;
told.refused = refused.code;

first.socket.send({ type: "response.create", model: "demo", input: "count to 2000" });
const begun = await first.until((event) => event.type === "response.output_text.delta");
const answer = begun[0].response.id;
first.socket.send({ type: "response.steer", previous_response_id: answer, input: "count to 4" });
const steered = await first.until(isEnd);
const next = await first.until(isEnd);
told.steered = [
  steered.some((event) => event.type === "response.steer.accepted" && event.steer.previous_response_id === answer),
  steered.at(-1).response.incomplete_details.reason,
  next.at(-1).response.previous_response_id === answer,
  textOf(next.at(-1).response),
];
first.socket.close();

let last = {};
const cut = connect({
  reconnect: {
    onReconnecting: () => ({ parameters: { resume: last.id, starting_after: String(last.number) } }),
    initialDelay: 50,
  },
});
cut.socket.on("event", (event) => {
  last = { id: event.response?.id ?? last.id, number: event.sequence_number };
});
cut.socket.send({ type: "response.create", model: "demo", input: "count to 300" });
await cut.until((event) => event.type === "response.output_text.delta");
cut.socket.socket.platformSocket.terminate();
await cut.until(isEnd);
const whole = [];
for await (const event of await client.responses.retrieve(last.id, { stream: true })) whole.push(event);
told.resumed = JSON.stringify(cut.events) === JSON.stringify(whole);
cut.socket.close();

function textOf(response) {
  return response.output.flatMap((item) => item.content ?? []).map((part) => part.text).join("");
}

process.stdout.write(JSON.stringify(told), () => process.exit(0));

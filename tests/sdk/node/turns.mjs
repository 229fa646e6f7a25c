// A session as an application has it: settings, text, a tool of the server's, one of its own, an error, a stop.

import { connect, report, Talk } from "./clients.mjs";

const talk = new Talk().add(connect());
await talk.until("session.created");

const weather = {
  type: "function",
  name: "get_weather",
  description: "The weather in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
talk.connection.send({ type: "session.update", session: { type: "realtime", instructions: "Be brief.", tools: [weather] } });
const { session } = await talk.until("session.updated");

const text = await talk.ask("count to 5", { metadata: { topic: "numbers" } });
const server_tool = await talk.ask("What is 6*7?");
const call = await talk.ask('get_weather in "Berlin"');
const { call_id } = call.output[0];
talk.connection.send({
  type: "conversation.item.create",
  item: { type: "function_call_output", call_id, output: "rain, all day" },
});
talk.connection.send({ type: "response.create" });
const client_tool = (await talk.until("response.done")).response;

talk.connection.send({ type: "response.cancel", event_id: "nothing_runs" });
const { error } = await talk.until("error");
const last = await talk.ask("count to 3");

talk.connection.close();
report(talk, { session, text, server_tool, call, client_tool, error, last });

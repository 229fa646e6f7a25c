// OpenAI's npm client against the Responses API: an answer, its helper's stream, a function, the background, the rest of a stream.

import OpenAI from "openai";

const given = JSON.parse(process.argv[2]);
const client = new OpenAI({ apiKey: given.apiKey ?? "guest", baseURL: given.baseURL, maxRetries: 0 });
const responses = client.responses;
const told = {};

const plain = await responses.create({ model: "demo", input: "count to 3" });
told.plain = [plain.status, plain.output_text];
const next = await responses.create({ model: "demo", input: "what did I say first", previous_response_id: plain.id });
told.next = next.output_text;

const stream = responses.stream({ model: "demo", input: "count to 5" });
told.types = [];
stream.on("event", (event) => told.types.push(event.type));
told.streamed = (await stream.finalResponse()).output_text;

const weather = {
  type: "function",
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false },
  strict: true,
};
const asked = responses.stream({ model: "demo", input: "What is the weather in Oslo?", tools: [weather], tool_choice: "required" });
const called = await asked.finalResponse();
const call = called.output.find((item) => item.type === "function_call");
const answered = await responses.create({
  model: "demo",
  tools: [weather],
  previous_response_id: called.id,
  input: [{ type: "function_call_output", call_id: call.call_id, output: "4 degrees, rain" }],
});
told.tool = [call.name, answered.output_text];

const all = [];
for await (const event of await responses.create({ model: "demo", input: "count to 20", background: true, stream: true })) all.push(event);
const half = Math.floor(all.length / 2);
const rest = [];
const again = await responses.retrieve(all[0].response.id, { stream: true, starting_after: all[half].sequence_number });
for await (const event of again) rest.push(event);
told.resumed = JSON.stringify(rest) === JSON.stringify(all.slice(half + 1));

const long = responses.stream({ model: "demo", input: "count to 2000" });
const stopped = new Promise((resolve) => long.on("response.output_text.delta", resolve));
const running = await new Promise((resolve) => long.on("response.created", (event) => resolve(event.response.id)));
await stopped;
await responses.cancel(running);
told.cancelled = (await long.finalResponse()).status;

const refused = await responses.create({ model: "demo", input: "x", tools: [{ type: "web_search" }] }).catch((error) => error);
told.refused = [refused.status, refused.code, refused.param];

const chat = await client.chat.completions.create({ model: "demo", messages: [{ role: "user", content: "count to 3" }] });
told.chat = chat.choices[0].message.content;

process.stdout.write(JSON.stringify(told), () => process.exit(0));

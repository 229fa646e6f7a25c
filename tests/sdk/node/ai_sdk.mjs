// The AI SDK's provider for OpenAI against the Responses API: text, a stream, a second turn (which names earlier items), a tool.

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, isStepCount, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const given = JSON.parse(process.argv[2]);
const model = createOpenAI({ apiKey: given.apiKey ?? "guest", baseURL: given.baseURL }).responses("demo");
const told = {};

told.plain = (await generateText({ model, prompt: "count to 3" })).text;

const stream = streamText({ model, prompt: "count to 4" });
told.streamed = "";
for await (const piece of stream.textStream) told.streamed += piece;

const messages = [{ role: "user", content: "my name is Ada" }];
const first = await generateText({ model, messages });
messages.push(...first.response.messages, { role: "user", content: "what is my name" });
told.name = (await generateText({ model, messages })).text;

const get_weather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}, all day`,
});
const stopWhen = (stepCountIs ?? isStepCount)(3);
told.tool = (await generateText({ model, prompt: 'get_weather in "Oslo"', tools: { get_weather }, stopWhen })).text;

process.stdout.write(JSON.stringify(told), () => process.exit(0));

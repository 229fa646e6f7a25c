// The AI SDK's provider for OpenAI and the server's tools: one that runs, one that asks before; the answer to it, and a turn behind that.

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";

const given = JSON.parse(process.argv[2]);
const model = createOpenAI({ apiKey: "guest", baseURL: given.baseURL }).responses("gpt-5");

async function ask(messages) {
  if (!given.stream) return await generateText({ model, messages });
  const stream = streamText({ model, messages });
  await stream.consumeStream();
  return { text: await stream.text, content: await stream.content, response: await stream.response };
}
const kinds = (result) => result.content.map((part) => part.type);

const looked = await ask([{ role: "user", content: "What is on shelf A?" }]);
const told = { looked: [looked.text, kinds(looked)] };

const user = { role: "user", content: "Pay Ann" };
const asked = await ask([user]);
const { approvalId } = asked.content.find((part) => part.type === "tool-approval-request");
const question = [user, ...asked.response.messages];
const answer = { type: "tool-approval-response", approvalId, approved: given.approve };
told.asked = kinds(asked);
told.unsent = kinds(await ask([...question, { role: "tool", content: [answer] }]));

const decided = [...question, { role: "tool", content: [{ ...answer, providerExecuted: true }] }];
const done = await ask(decided);
told.done = [done.text, kinds(done)];
told.next = (await ask([...decided, ...done.response.messages, { role: "user", content: "Anything else?" }])).text;

process.stdout.write(JSON.stringify(told), () => process.exit(0));

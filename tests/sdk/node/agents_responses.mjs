// OpenAI's agents for npm, over the Responses API: a tool of the agent's own, a handoff, approvals of its own and of the server's.

import { Agent, hostedMcpTool, OpenAIResponsesModel, run, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

const given = JSON.parse(process.argv[2]);
setTracingDisabled(true);
const client = new OpenAI({ apiKey: given.apiKey ?? "guest", baseURL: given.baseURL, maxRetries: 0 });
const model = new OpenAIResponsesModel(client, "gemini:gemini-3-flash");
const ran = [];

const weather = tool({
  name: "get_weather",
  description: "The weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    ran.push(`weather ${city}`);
    return `rain in ${city}, all day`;
  },
});
const refund = tool({
  name: "refund",
  description: "Give money back.",
  parameters: z.object({ amount: z.number() }),
  needsApproval: true,
  execute: async ({ amount }) => {
    ran.push(`refund ${amount}`);
    return `gave ${amount} back`;
  },
});
const billing = new Agent({ name: "Billing", instructions: "You know of bills.", model });
const servers = hostedMcpTool({ serverLabel: "server", serverUrl: given.baseURL, requireApproval: "always" });
const agents = {
  tool: new Agent({ name: "Desk", model, tools: [weather] }),
  handoff: new Agent({ name: "Desk", model, handoffs: [billing] }),
  own: new Agent({ name: "Desk", model, tools: [refund] }),
  server: new Agent({ name: "Desk", model, tools: [servers] }),
};

const told = {};
for (const { agent, say, approve, stream } of given.steps) {
  const options = { maxTurns: 6, stream: Boolean(stream) };
  let result = await run(agents[agent], say, options);
  if (stream) await result.completed;
  const asked = result.interruptions.map((one) => one.rawItem.name);
  for (const one of result.interruptions) approve ? result.state.approve(one) : result.state.reject(one);
  if (asked.length) {
    result = await run(agents[agent], result.state, options);
    if (stream) await result.completed;
  }
  told[agent] = { asked, answer: result.finalOutput, last: result.lastAgent?.name };
  if (agent === "server") {
    // the next turn tells the question and its answer again, with all else
    const next = await run(agents[agent], [...result.history, { role: "user", content: "And now?" }], { maxTurns: 6 });
    told[agent].next = next.finalOutput;
  }
}
console.log(JSON.stringify({ told, ran }));

// CopilotKit's core (npm `@copilotkit/core`), its `runtimeUrl` straight at this server: prints a report of what each step came to.
import { CopilotKitCore } from "@copilotkit/core";

const given = JSON.parse(process.argv[2]);
const warnings = [];
console.warn = (...words) => warnings.push(words.map(String).join(" "));
console.error = console.warn;
process.on("unhandledRejection", () => {}); // as a browser has it: a cut is told to the application besides
globalThis.window ??= globalThis; // it connects in browsers alone

const until = async (check) => {
  while (!(await check())) await new Promise((done) => setTimeout(done, 20));
};
const headers = { Authorization: `Bearer ${given.key ?? "guest"}` };
const errors = [];
const calls = [];
const make = async () => {
  const core = new CopilotKitCore({ runtimeUrl: `${given.url}/ag-ui`, runtimeTransport: "rest", headers });
  core.subscribe({ onError: ({ error, code }) => errors.push(`${code}: ${error.message}`) });
  await until(() => core.runtimeConnectionStatus === "connected" || errors.length);
  for (const tool of given.tools ?? []) {
    core.addTool({
      name: tool.name,
      description: tool.description,
      handler: async (args) => {
        calls.push({ name: tool.name, args });
        return tool.result;
      },
    });
  }
  const agent = core.getAgent(given.agent ?? "default");
  agent.threadId = given.thread;
  return { core, agent };
};
const textOf = (messages) => messages.filter((one) => one.role === "assistant").map((one) => one.content ?? "").join("|");

let { core, agent } = await make();
const agents = Object.keys(core.agents);
let number = 0;
let interrupts = [];
const steps = [];
for (const step of given.steps) {
  const watched = agent.subscribe({
    onRunFinishedEvent: ({ event }) => {
      interrupts = event.outcome?.interrupts ?? [];
    },
  });
  const say = (content) => agent.addMessage({ id: `u${++number}-${given.thread}`, role: "user", content });
  const seenMuch = () => textOf(agent.messages.slice(-1)).length > 20;
  if (step.connect) await core.connectAgent({ agent });
  for (let tries = 0; step.patient && tries < 100 && !textOf(agent.messages).endsWith(step.patient); tries++) {
    await new Promise((done) => setTimeout(done, 300)); // the server comes back
    errors.splice(0);
    await core.connectAgent({ agent });
  }
  if (step.say) {
    say(step.say);
    await core.runAgent({ agent });
  }
  if (step.approve !== undefined) {
    const resume = interrupts.map((one) => ({ interruptId: one.id, status: "resolved", payload: { approved: step.approve } }));
    await core.runAgent({ agent, resume });
  }
  if (step.reload) {
    // the tab is gone in mid-answer: another one begins with nothing but the name of the thread
    say(step.reload);
    const answering = core.runAgent({ agent });
    await until(seenMuch);
    const seen = textOf(agent.messages.slice(-1));
    await agent.detachActiveRun();
    await answering;
    ({ core, agent } = await make());
    await core.connectAgent({ agent });
    steps.push({ seen });
  }
  if (step.stop) {
    say(step.stop);
    const answering = core.runAgent({ agent });
    await until(seenMuch);
    core.stopAgent({ agent });
    await answering;
  }
  watched.unsubscribe();
  steps.push({ messages: structuredClone(agent.messages), interrupts, errors: errors.splice(0) });
}
console.log(JSON.stringify({ agents, steps, calls, warnings }));
process.exit(0);

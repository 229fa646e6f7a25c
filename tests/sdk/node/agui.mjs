// AG-UI's own client, of the generation that is asked for: prints a report of what each step came to.
const given = JSON.parse(process.argv[2]);
const { HttpAgent } = await import(given.client === "1.0" ? "@ag-ui/client" : "ag-ui-client-0");

const rejections = [];
process.on("unhandledRejection", (error) => rejections.push(String(error)));
const warnings = [];
console.warn = (...words) => warnings.push(words.map(String).join(" "));
console.error = console.warn;

const agent = new HttpAgent({
  url: `${given.url}${given.path ?? "/ag-ui"}`,
  headers: { Authorization: `Bearer ${given.key ?? "guest"}` },
  threadId: given.thread,
  initialMessages: given.messages ?? [],
  initialState: given.state,
});
let number = 0;
const user = (content) => ({ id: `u${++number}-${given.thread}`, role: "user", content });
const textOf = (message) => message?.content ?? "";

let interrupts = [];
const steps = [];
for (const step of given.steps) {
  const events = [];
  const report = { errors: [], runId: step.runId };
  const subscriber = {
    onEvent: ({ event }) => {
      events.push(event);
      if (step.abortAfter && textOf(agent.messages.at(-1)).length > step.abortAfter) agent.abortRun();
    },
    onRunErrorEvent: ({ event }) => report.errors.push({ code: event.code, message: event.message }),
    onRunFailed: ({ error }) => report.errors.push({ status: error.status, payload: error.payload, message: String(error.message) }),
  };
  if (step.forget) agent.setMessages(agent.messages.slice(0, -step.forget));
  if (step.say) agent.addMessage(user(step.say));
  if (step.message) agent.addMessage(step.message);
  if (step.output !== undefined) {
    const call = agent.messages.findLast((one) => one.toolCalls).toolCalls[0];
    agent.addMessage({ id: `t-${call.id}`, role: "tool", toolCallId: call.id, content: step.output });
  }
  const parameters = { tools: given.tools ?? [], runId: step.runId, forwardedProps: given.forwardedProps, context: given.context };
  if (step.approve !== undefined) {
    parameters.resume = interrupts.map((one) => ({
      interruptId: one.id, status: "resolved", payload: { approved: step.approve, reason: step.reason },
    }));
  }
  for (;;) {
    try {
      await agent.runAgent(Object.fromEntries(Object.entries(parameters).filter(([, one]) => one !== undefined)), subscriber);
      break;
    } catch (error) {
      report.rejected = String(error);
      if (!step.patient) break;
      await new Promise((done) => setTimeout(done, 300)); // the server comes back
    }
  }
  const last = events.at(-1);
  interrupts = last?.outcome?.interrupts ?? [];
  steps.push({ ...report, events, messages: structuredClone(agent.messages), interrupts, state: agent.state });
}
await new Promise((done) => setTimeout(done, 50));
console.log(JSON.stringify({ steps, rejections, warnings }));

// The AI SDK's own chat (npm `ai`), as `useChat` has it, without React: prints a report of what it came to.
import { AbstractChat, DefaultChatTransport, lastAssistantMessageIsCompleteWithApprovalResponses } from "ai";

const given = JSON.parse(process.argv[2]);

class State {
  status = "ready";
  error = undefined;
  messages = [];
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage(message) {
    this.messages = [...this.messages, message];
  }
  popMessage() {
    this.messages = this.messages.slice(0, -1);
  }
  replaceMessage(index, message) {
    this.messages = [...this.messages.slice(0, index), structuredClone(message), ...this.messages.slice(index + 1)];
  }
  snapshot(value) {
    return structuredClone(value);
  }
}

class Chat extends AbstractChat {
  constructor({ messages = [], ...options }) {
    super({ ...options, state: new State(messages) });
  }
}

const headers = { Authorization: `Bearer ${given.key ?? "guest"}` };
const api = `${given.url}/api/ui/${given.chat}`;
let errors = [];
const make = (messages) =>
  new Chat({
    id: given.chat,
    messages,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    onError: (error) => errors.push(String(error.message)),
    transport: new DefaultChatTransport({
      api,
      headers,
      prepareReconnectToStreamRequest: () => ({ api: `${api}/stream`, headers }),
    }),
  });

const textOf = (message) =>
  message.parts.filter((part) => part.type === "text").map((part) => part.text).join("");
const until = async (check) => {
  while (!check()) await new Promise((done) => setTimeout(done, 20));
};
const history = async () => (await (await fetch(api, { headers })).json()).messages;

let chat = make(given.from === "history" ? await history() : []);
const steps = [];
for (const step of given.steps) {
  if (step.say) await chat.sendMessage({ text: step.say, files: step.files });
  if (step.edit) await chat.sendMessage({ text: step.edit, messageId: chat.messages.findLast((one) => one.role === "user").id });
  if (step.again) await chat.regenerate();
  if (step.approve !== undefined) {
    const part = chat.messages.at(-1).parts.find((one) => one.state === "approval-requested");
    await chat.addToolApprovalResponse({ id: part.approval.id, approved: step.approve, reason: step.reason });
    await until(() => chat.status === "ready" && chat.messages.at(-1).parts.every((one) => one.state !== "approval-responded"));
  }
  if (step.reload) {
    // the tab is gone in mid-answer: another one begins with what the server has
    chat.sendMessage({ text: step.reload }).catch(() => {});
    await until(() => chat.messages.at(-1)?.role === "assistant" && textOf(chat.messages.at(-1)).length > 20);
    const seen = textOf(chat.messages.at(-1));
    await chat.stop();
    chat = make(await history());
    await chat.resumeStream();
    steps.push({ seen });
  }
  if (step.stop) {
    const answering = chat.sendMessage({ text: step.stop });
    await until(() => chat.messages.at(-1)?.role === "assistant" && textOf(chat.messages.at(-1)).length > 20);
    await fetch(`${api}/stop`, { method: "POST", headers });
    await answering;
  }
  if (step.resume) await chat.resumeStream();
  steps.push({ messages: structuredClone(chat.messages), status: chat.status, errors });
  errors = [];
}
console.log(JSON.stringify({ steps, history: await history() }));

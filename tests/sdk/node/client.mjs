// Drives the client module of static/chat against a server. Given {module, url, steps, ...}; reports what it was told.
const given = JSON.parse(process.argv[2]);
const { Phase, RealtimeClient, emptyTranscript, filePart, prepend, reduce } = await import(given.module);

const told = { phases: [], events: [], refused: [], caughtUp: 0 };
let state = emptyTranscript();

function opened(options) {
  const chat = new RealtimeClient(given.url, { key: given.key, ...options });
  chat.addEventListener("frame", ({ detail }) => {
    told.events.push(detail);
    state = reduce(state, [detail]);
  });
  chat.addEventListener("state", ({ detail }) => told.phases.push(detail.phase));
  chat.addEventListener("refused", ({ detail }) => told.refused.push(detail.error.code));
  chat.addEventListener("caughtup", () => (told.caughtUp += 1));
  chat.connect();
  return chat;
}

function next(chat, type, isIt = () => true) {
  return new Promise((resolve) => {
    const take = ({ detail }) => {
      if (!isIt(detail)) return;
      chat.removeEventListener(type, take);
      resolve(detail);
    };
    chat.addEventListener(type, take);
  });
}

const answer = (chat) => next(chat, "response.done").then(({ response }) => response);

const STORIES = {
  async turns() {
    const chat = opened();
    const first = answer(chat);
    chat.send("count to 5");
    const { output } = await first;
    const rated = next(chat, "x_feedback.given");
    chat.feedback(output.at(-1).id, { rating: "up" });
    await rated;
    const asked = next(chat, "conversation.item.done", ({ item }) => item.type === "mcp_approval_request");
    const paused = answer(chat);
    chat.send(given.needsApproval);
    const request = (await asked).item;
    await paused;
    const goesOn = answer(chat);
    chat.approve(request.id, true);
    told.approved = await goesOn;
    const delta = next(chat, "response.output_text.delta");
    const stopped = answer(chat);
    chat.send("count to 400");
    await delta;
    told.stop = chat.stop();
    told.stopped = await stopped;
    const again = answer(chat);
    chat.retry(told.stopped.id);
    const more = next(chat, "response.output_text.delta");
    await more;
    chat.stop();
    told.again = await again;
    const refused = next(chat, "refused");
    chat.feedback("item_nowhere", { rating: "up" });
    await refused;
    chat.close();
    told.nothing = chat.stop();
  },

  /** The line breaks as often as the test's proxy has it. */
  async count() {
    const chat = opened();
    const done = answer(chat);
    chat.send(given.question);
    told.response = await done;
    chat.close();
  },

  /** A program that is gone, and another one that goes on at its place. */
  async resume() {
    const chat = opened();
    chat.send(given.question);
    await next(chat, "response.output_text.delta", ({ delta }) => delta.includes("2"));
    const place = chat.place;
    chat.close();
    const later = opened(place);
    told.response = await answer(later);
    later.close();
  },

  /** Files that are sent ahead, and named in a message. */
  async files() {
    const chat = opened();
    const shares = [];
    const onProgress = (share) => shares.push(share);
    const bytes = (base64) => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    const sent = [];
    for (const [name, base64] of given.files)
      sent.push(await chat.upload(new Blob([bytes(base64)]), { name, onProgress }));
    told.shares = shares;
    const done = answer(chat);
    chat.send([{ type: "input_text", text: "What is it?" }, ...sent.map(filePart)]);
    await done;
    told.files = state.entries.find(({ role }) => role === "user").files;
    const shown = await fetch(await chat.fileUrl(sent[0].id));
    told.shown = Buffer.from(await shown.arrayBuffer()).toString("base64");
    told.code = await chat.upload(new Blob(["PK\x03\x04"])).catch(({ code }) => code);
    const spare = await chat.upload(new Blob(["spare"]));
    await chat.discard(spare.id);
    told.discarded = await chat.fileUrl(spare.id).catch(({ code }) => code);
    chat.close();
  },

  async pages() {
    const chat = opened({ sessionId: given.sessionId, resumeToken: given.resumeToken });
    await next(chat, "caughtup");
    told.first = state.entries.length;
    while (chat.hasEarlier) state = prepend(state, await chat.earlier());
    told.entries = state.entries.map((entry) => entry.id);
    told.rated = state.entries.flatMap((entry) => entry.items ?? []).filter((item) => item.feedback).length;
    chat.close();
  },
};

await STORIES[given.story]();
told.text = state.entries.flatMap((entry) => entry.items ?? []).filter((item) => item.kind === "text").map((item) => item.text);
told.last = told.phases.at(-1) === Phase.STOPPED;
console.log(JSON.stringify(told));

/** One response: its texts and tool cards in order, what is going on at its end, and what can be done with it. */

import { copyFrom } from "./clipboard.js";
import { el, icon, iconButton, setText } from "./dom.js";
import { clockTime, duration, fullTime, tokenParts, tokens, waiting } from "./format.js";
import { ApprovalCard } from "./approval_card.js";
import { endingOf } from "./endings.js";
import { FeedbackView, ratedItem } from "./feedback_view.js";
import { StreamingMarkdown } from "./streaming_markdown.js";
import { needsNewChat } from "./sentences.js";
import { ToolCard } from "./tool_card.js";
import { VersionsView } from "./versions_view.js";
import { gettext } from "./words.js";

class TextBlock {
  /** `onRead(nodes)`: these change no more. */
  constructor(item, { onRead }) {
    this.onRead = onRead;
    this.node = el("div", { class: "prose", dir: "auto" });
    this.markdown = new StreamingMarkdown(this.node);
  }

  update(item) {
    const whole = item.status !== "streaming" || this.markdown.update(item.text);
    if (item.status !== "streaming") this.markdown.finish(item.text);
    this.onRead(this.markdown.takeSettled());
    return whole;
  }
}

/** So long after its last word, an answer shows that it is still being given. */
const SILENCE_MS = 2_000;

const BLOCKS = { text: TextBlock, tool: ToolCard, approval: ApprovalCard };
export class AnswerView {
  #blocks = new Map();
  #entry = null;
  #around = "";
  #silence = 0;

  /** Called with the entry: `onRetry` for "try again", `onTakeBack` while it waits; `onDecide(item, approve)`, `onRate(item, word)`;
   * `onRead(id, nodes)`: parts of its text that change no more; `onChoose`: see `VersionsView`. */
  constructor({ onRetry, onTakeBack, onDecide, onRate, onRead, onChoose }) {
    this.onDecide = onDecide;
    this.onRead = (nodes) => onRead(this.#entry.id, nodes);
    this.person = el("p", { class: "author", hidden: true });
    this.content = el("div", { class: "answer-content" });
    this.typing = el(
      "p",
      { class: "typing", role: "img", "aria-label": gettext("Thinking") },
      el("i"),
      el("i"),
      el("i"),
    );
    this.waiting = el("p", { class: "waiting", hidden: true });
    this.takeBack = el(
      "button",
      { type: "button", class: "button quiet", on: { click: () => onTakeBack(this.#entry) } },
      gettext("Take back"),
    );
    this.ending = el("div", { class: "ending", hidden: true });
    this.retry = el(
      "button",
      { type: "button", class: "button retry", on: { click: () => onRetry(this.#entry) } },
      icon("retry"),
      gettext("Try again"),
    );
    this.newChat = el("a", { class: "button", href: document.body.dataset.homeUrl }, icon("plus"), gettext("New chat"));
    this.copy = iconButton("copy", gettext("Copy this answer"), {
      on: { click: () => copyFrom(this.copy, this.#text()) },
    });
    this.feedback = new FeedbackView({ onRate });
    this.time = el("time", { class: "meta" });
    this.cost = el("span", { class: "meta cost" });
    this.details = el("span", { class: "meta details" });
    this.again = iconButton("retry", gettext("Another answer"), { on: { click: () => onRetry(this.#entry) } });
    this.versions = new VersionsView({ onChoose });
    const after = [this.again, this.versions.node, this.feedback.buttons, this.time, this.cost, this.details];
    this.footer = el("footer", { class: "answer-footer" }, this.copy, ...after);
    this.node = el(
      "article",
      { class: "answer", "aria-label": gettext("Answer") },
      this.person,
      this.content,
      this.typing,
      this.waiting,
      this.ending,
      this.footer,
      this.feedback.node,
    );
  }

  /** False: a part of it was put off, call again. */
  update(entry, { isLast, versions, idle, isRepeatable, approvals }) {
    const around = JSON.stringify([versions, idle, isRepeatable]);
    if (around !== this.#around) {
      this.#around = around;
      this.versions.update(versions, idle);
      this.again.hidden = !isRepeatable;
    }
    const same = entry === this.#entry && isLast === this.isLast;
    this.#entry = entry;
    this.isLast = isLast;
    const running = entry.status === "in_progress";
    const whole = this.#updateItems(entry.items, approvals);
    if (same) return whole;
    this.node.dataset.status = entry.status;
    this.node.toggleAttribute("data-retried", entry.retried);
    this.node.setAttribute("aria-busy", String(running));
    this.#updateTyping(running, entry.items.at(-1)?.status === "streaming");
    this.#updatePerson(entry);
    this.#updateWaiting(entry);
    this.#updateEnding(entry, isLast);
    this.#updateFooter(entry, running);
    return whole;
  }

  #updateItems(all, approvals) {
    let whole = true;
    const items = all.filter(({ kind, approvalId }) => kind !== "tool" || !approvals.has(approvalId)); // on its card
    for (const item of items) {
      let block = this.#blocks.get(item.id);
      if (!block) {
        block = new BLOCKS[item.kind](item, { onDecide: this.onDecide, onRead: this.onRead });
        this.#blocks.set(item.id, block);
        this.content.append(block.node);
      }
      const call = approvals.get(item.id);
      if ((block.shown !== item || block.call !== call) && block.update(item, call)) Object.assign(block, { shown: item, call });
      if (block.shown !== item) whole = false;
    }
    this.#dropAllBut(items);
    return whole;
  }

  /** Items go only when the server lost them before they were committed. */
  #dropAllBut(items) {
    if (this.#blocks.size === items.length) return;
    const ids = new Set(items.map((item) => item.id));
    for (const [id, block] of this.#blocks) {
      if (ids.has(id)) continue;
      block.node.remove();
      this.#blocks.delete(id);
    }
  }

  /** Before a word comes, and where none has come for a while. */
  #updateTyping(running, isWriting) {
    clearTimeout(this.#silence);
    this.typing.hidden = !running || isWriting;
    if (running && isWriting) this.#silence = setTimeout(() => (this.typing.hidden = false), SILENCE_MS);
  }

  /** A model has no name on its answers; whoever answers in its place has. */
  #updatePerson({ person, status }) {
    this.person.hidden = !person || status === "queued";
    setText(this.person, person ? gettext("{person} (a person)", { person }) : "");
    this.node.classList.toggle("from-person", Boolean(person));
  }

  #updateWaiting({ status, position, person }) {
    this.waiting.hidden = status !== "queued";
    if (status !== "queued") return;
    if (person) {
      this.waiting.replaceChildren(icon("clock"), el("span", { text: gettext("{person} answers this", { person }) }), this.takeBack);
      return;
    }
    const words =
      position > 1
        ? gettext("Waits for its turn, place {position}", { position })
        : gettext("Waits for the answer before it");
    this.waiting.replaceChildren(icon("clock"), el("span", { text: words }), this.takeBack);
  }

  #updateEnding(entry, isLast) {
    const ending = endingOf(entry);
    this.ending.hidden = !ending;
    if (!ending) return;
    this.ending.dataset.status = entry.status;
    const isAgain = entry.reason === "interrupted" && entry.retried;
    const said = [ending.why, isAgain ? "" : afterwards(entry, isLast)];
    const text = el("p", {}, el("strong", { text: ending.title }), ...said.map((one) => one && ` ${one}`));
    const next = needsNewChat(entry.reason) ? this.newChat : this.retry;
    this.ending.replaceChildren(icon(ending.icon), text, isLast && !ending.final ? next : "");
  }

  #updateFooter(entry, running) {
    const hasText = entry.items.some((item) => item.kind === "text" && item.text);
    this.footer.hidden = !running && !hasText && this.again.hidden && this.versions.node.hidden;
    this.footer.dataset.ready = String(!running && entry.status !== "queued");
    this.feedback.update(ratedItem(entry));
    this.copy.hidden = !hasText;
    setText(this.time, clockTime(entry.at));
    this.time.title = fullTime(entry.at);
    if (entry.at) this.time.dateTime = entry.at;
    setText(this.cost, forStaff() ? tokens(entry.usage) : "");
    setText(this.details, forStaff() ? details(entry) : "");
  }

  #text() {
    const texts = this.#entry.items.filter((item) => item.kind === "text").map((item) => item.text);
    return texts.join("\n\n");
  }
}

/** What became of it, or when another try makes sense. */
function afterwards({ retried, retryAfterS }, isLast) {
  if (retried) return gettext("It was tried again below.");
  return isLast && retryAfterS ? gettext("A new try makes sense in {time}.", { time: waiting(retryAfterS) }) : "";
}

/** Tokens and models are the operator's business. */
function forStaff() {
  return "staff" in document.body.dataset;
}

function details({ model, failedModels, usage, timings }) {
  const first = timings?.first_token_ms;
  const firstWord = first === null || first === undefined ? "" : gettext("first word after {time}", { time: duration(first) });
  const parts = [
    tokenParts(usage),
    model,
    failedModels.length ? gettext("after {models} failed", { models: failedModels.join(", ") }) : "",
    firstWord,
    timings ? gettext("whole after {time}", { time: duration(timings.total_ms) }) : "",
  ];
  return parts.filter(Boolean).join(" · ");
}

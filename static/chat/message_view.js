/** One message of the user's, or an operator's word, and whether the server has it. */

import { el, icon, iconButton, setText } from "./dom.js";
import { filesView } from "./files_view.js";
import { clockTime, fullTime } from "./format.js";
import { VersionsView } from "./versions_view.js";
import { gettext } from "./words.js";

const SIGNS = {
  pending: { icon: "clock", text: gettext("Sending") },
  sent: { icon: "tick", text: gettext("Sent") },
  refused: { icon: "alert", text: gettext("Not sent") },
};

/** More than this is folded: it would push the conversation out of sight. */
const LONG_CHARS = 3_000;
const LONG_LINES = 40;

export class MessageView {
  #entry = null;

  #around = "";

  /** Called with the entry: `onRetry` for "send again", `onEdit` to say it anew, `onReword` where it was refused; `onChoose`: see `VersionsView`; `urlOf`: see
   * `filesView`. */
  constructor(entry, { onRetry, onEdit, onReword, onChoose, urlOf }) {
    const isUser = entry.role === "user";
    const words = wordsOf(entry);
    this.text = el("div", { class: "message-text", dir: "auto", text: words, hidden: !words });
    this.time = el("time", { class: "meta" });
    this.sign = el("span", { class: "sign" });
    this.problem = el("div", { class: "ending", "data-status": "failed", hidden: true });
    this.retry = el("button", {
      type: "button",
      class: "button retry",
      on: { click: () => onRetry(this.#entry) },
    });
    this.retry.append(icon("retry"), gettext("Send again"));
    this.reword = el(
      "button",
      { type: "button", class: "button", on: { click: () => onReword(this.#entry) } },
      icon("pencil"),
      gettext("Edit"),
    );
    const author = isUser || entry.stepped ? null : el("p", { class: "author", text: gettext("Our team") });
    this.versions = new VersionsView({ onChoose });
    this.edit = iconButton("pencil", gettext("Edit this message"), { class: "edit", on: { click: () => onEdit(this.#entry) } });
    const foot = el("footer", { class: "message-footer" }, this.versions.node, this.edit, this.time, isUser ? this.sign : null);
    const label = isUser
      ? gettext("Your message")
      : entry.stepped
        ? gettext("Notice")
        : gettext("Message of our team");
    this.node = el(
      "article",
      { class: `message from-${entry.role}${entry.stepped && " stepped"}`, "aria-label": label },
      author,
      this.text,
      isLong(entry.text) ? this.#unfold() : null,
      filesView(entry.files, urlOf),
      foot,
      this.problem,
    );
  }

  /** The button by which the whole of a long text is shown, and hidden again. */
  #unfold() {
    const button = el("button", { type: "button", class: "button quiet unfold" });
    const fold = (folded) => {
      this.text.classList.toggle("folded", folded);
      button.setAttribute("aria-expanded", String(!folded));
      setText(button, folded ? gettext("Show all") : gettext("Show less"));
    };
    button.addEventListener("click", () => fold(!this.text.classList.contains("folded")));
    fold(true);
    return button;
  }

  /** `versions`: those in its place; `idle`: nothing is under way; `isEditable`: it is the last one. */
  update(entry, { versions, idle, isEditable }) {
    const around = JSON.stringify([versions, idle, isEditable]);
    if (around !== this.#around) {
      this.#around = around;
      this.versions.update(versions, idle);
      this.edit.hidden = !isEditable;
    }
    if (entry === this.#entry) return true;
    this.#entry = entry;
    this.node.dataset.state = entry.state;
    this.node.classList.toggle("removed", entry.removed);
    setText(this.time, clockTime(entry.at));
    this.time.title = fullTime(entry.at);
    const sign = SIGNS[entry.state];
    this.sign.replaceChildren(icon(sign.icon), el("span", { class: "visually-hidden", text: sign.text }));
    this.sign.title = sign.text;
    this.#updateProblem(entry.problem);
    return true;
  }

  #updateProblem(problem) {
    this.problem.hidden = !problem;
    if (!problem) return;
    const text = el("p", {}, el("strong", { text: gettext("Not sent.") }), ` ${problem.message}`);
    this.problem.replaceChildren(icon("alert"), text, this.reword, problem.retryable ? this.retry : "");
  }
}

function isLong(text) {
  return text.length > LONG_CHARS || text.split("\n", LONG_LINES + 1).length > LONG_LINES;
}

/** As it is read. */
export function wordsOf(entry) {
  return stepped(entry) || entry.text;
}

/** That a person stepped in, or out, in the page's language. */
function stepped({ stepped: step, person }) {
  if (!person) return "";
  if (step === "took_over") return gettext("{person} has joined and answers from here on.", { person });
  return step === "handed_back" ? gettext("{person} has left. The assistant answers again.", { person }) : "";
}

/** A tool call that needs a person's yes, from the question to what came of it, on one card. */

import { announce, el, icon, setText } from "./dom.js";
import { toolTitle } from "./format.js";
import { TOOL_STATES, toolDetails } from "./tool_card.js";
import { gettext, ngettext } from "./words.js";

const SIGNS = { open: "question", approved: "check", refused: "close" };

export class ApprovalCard {
  #item = null;
  #call = null;
  #state = "";

  /** `onDecide` is called with the item and true or false. */
  constructor(item, { onDecide }) {
    const title = toolTitle(item.name);
    const decide = (approve) => {
      this.node.focus(); // its buttons go, and whoever uses the keyboard stays where they are
      this.#busy(true);
      onDecide(this.#item, approve);
    };
    this.sign = el("span", { class: "tool-sign" });
    this.said = el("span", { class: "approval-state" });
    this.yes = el("button", { type: "button", class: "button primary", text: gettext("Approve") });
    this.no = el("button", { type: "button", class: "button", text: gettext("Refuse") });
    this.yes.addEventListener("click", () => decide(true));
    this.no.addEventListener("click", () => decide(false));
    this.buttons = el("div", { class: "approval-buttons" }, this.yes, this.no);
    const head = el("p", { class: "approval-head" }, this.sign, el("strong", { text: title }), this.said);
    const asked = item.asks ? el("p", { class: "approval-asks", dir: "auto", text: item.asks }) : null;
    this.body = el("div", { class: "tool-body" });
    const summary = el("summary", {}, gettext("Details"), icon("chevron"));
    this.details = el("details", { class: "approval-details", open: !item.asks }, summary, this.body);
    const label = gettext("Approval of {tool}", { tool: title });
    const parts = [head, asked, this.details, this.buttons].filter(Boolean);
    this.node = el("section", { class: "approval-card", tabindex: "-1", "aria-label": label }, ...parts);
  }

  /** `call`: the tool as it runs since, or ran; undefined before. */
  update(item, call) {
    this.#item = item;
    this.#call = call;
    const decided = item.approved === null ? "open" : item.approved ? "approved" : "refused";
    this.buttons.hidden = item.approved !== null;
    this.yes.hidden = item.agreed;
    this.#busy(item.deciding);
    this.#show(call?.status ?? decided);
    this.body.replaceChildren(...toolDetails(call ?? { ...item, output: null, problem: null }));
    return true;
  }

  #show(state) {
    setText(this.said, [words(this.#item), this.#call && TOOL_STATES[state].text].filter(Boolean).join(" · "));
    if (state === this.#state) return;
    if (this.#state && this.node.contains(document.activeElement)) announce(`${this.node.ariaLabel}: ${this.said.textContent}`);
    if (this.#state === "open") this.details.open = false;
    this.#state = this.node.dataset.state = state;
    this.sign.replaceChildren(icon(SIGNS[state] ?? TOOL_STATES[state].icon));
  }

  #busy(busy) {
    this.yes.disabled = this.no.disabled = busy;
  }
}

function words({ approved, by, pending }) {
  if (pending) return ngettext("needs the yes of one more person", "needs the yes of {n} more people", pending);
  if (approved === null) return gettext("needs your approval before it runs");
  if (by && by !== "client")
    return approved ? gettext("was approved by our team") : gettext("was refused by our team");
  return approved ? gettext("was approved") : gettext("was refused");
}

/** A tool call that needs a person's yes: what it would do, the two buttons, and who decided. */

import { el, icon, setText } from "./dom.js";
import { prettyJson, toolTitle } from "./format.js";

export class ApprovalCard {
  #item = null;

  /** `onDecide` is called with the item and true or false. */
  constructor(item, { onDecide }) {
    const decide = (approve) => {
      this.#busy(true);
      onDecide(this.#item, approve);
    };
    this.said = el("span", { class: "approval-state" });
    this.yes = el("button", { type: "button", class: "button primary", text: "Approve" });
    this.no = el("button", { type: "button", class: "button", text: "Refuse" });
    this.yes.addEventListener("click", () => decide(true));
    this.no.addEventListener("click", () => decide(false));
    this.buttons = el("div", { class: "approval-buttons" }, this.yes, this.no);
    const title = el("strong", { text: toolTitle(item.name) });
    const head = el("p", { class: "approval-head" }, icon("question"), title, this.said);
    const wanted = el("pre", { tabindex: "0" }, el("code", { text: prettyJson(item.arguments || "{}") }));
    const asked = item.asks ? el("p", { class: "approval-asks", text: item.asks }) : null;
    const details = el("details", { class: "approval-details" }, el("summary", { text: "Details" }), wanted);
    this.node = el(
      "section",
      { class: "approval-card", "aria-label": `Approval of ${toolTitle(item.name)}` },
      head,
      ...(asked ? [asked, details] : [wanted]),
      this.buttons,
    );
  }

  update(item) {
    this.#item = item;
    this.node.dataset.state = item.approved === null ? "open" : item.approved ? "approved" : "refused";
    this.buttons.hidden = item.approved !== null;
    this.yes.hidden = item.agreed;
    this.#busy(item.deciding);
    setText(this.said, words(item));
    return true;
  }

  #busy(busy) {
    this.yes.disabled = this.no.disabled = busy;
  }
}

function words({ approved, by, pending }) {
  if (pending) return `needs the yes of ${pending === 1 ? "one more person" : `${pending} more people`}`;
  if (approved === null) return "needs your approval before it runs";
  const who = by && by !== "client" ? ` by ${by}` : "";
  return approved ? `was approved${who}` : `was refused${who}`;
}

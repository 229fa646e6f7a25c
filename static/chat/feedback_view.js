/**
 * What the user thinks of an answer: two thumbs in its footer, and under it a form for why.
 *
 * A thumb counts at once; pressed again it is taken back. The form only adds a reason and a comment to it.
 */

import { announce, el, iconButton, isComposed, setText } from "./dom.js";
import { gettext } from "./words.js";

const SAID = {
  up: gettext("You called this answer good."),
  down: gettext("You called this answer bad."),
  none: gettext("Your rating was taken back."),
};
let forms = 0;

/** What the server takes, as the page was told. */
function limits() {
  const { feedbackReasons = "", feedbackCommentChars = "2000" } = document.body.dataset;
  return { reasons: feedbackReasons.split(",").filter(Boolean), commentChars: feedbackCommentChars };
}

/** Those that a server has unless its settings name others. */
const REASONS = {
  wrong: gettext("Wrong"),
  incomplete: gettext("Incomplete"),
  unhelpful: gettext("Unhelpful"),
  off_topic: gettext("Off topic"),
  too_long: gettext("Too long"),
  unsafe: gettext("Unsafe"),
  other: gettext("Other"),
};

/** `off_topic` as "Off topic". */
export function reasonWords(reason) {
  if (Object.hasOwn(REASONS, reason)) return REASONS[reason];
  const words = reason.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export class FeedbackView {
  #item = null;

  /** `onRate` is called with the item and {rating, reason, comment}. */
  constructor({ onRate }) {
    this.onRate = onRate;
    this.up = this.#thumb("up", gettext("Good answer"));
    this.down = this.#thumb("down", gettext("Bad answer"));
    this.buttons = el("span", { class: "thumbs", role: "group", "aria-label": gettext("Rate this answer") }, this.up, this.down);
    /** Made when it is opened: most answers are never rated. */
    this.form = null;
    this.said = el("p", { class: "feedback-said", hidden: true });
    this.node = el("div", { class: "feedback" }, this.said);
  }

  /** `item`: the text that is rated; null where there is none. */
  update(item) {
    this.#item = item;
    this.buttons.hidden = !item;
    this.node.hidden = !item;
    const { rating = "none", reason = "", comment = "" } = item?.feedback ?? {};
    this.up.setAttribute("aria-pressed", String(rating === "up"));
    this.down.setAttribute("aria-pressed", String(rating === "down"));
    if (rating === "none") this.#close();
    const why = [reason && reasonWords(reason), comment].filter(Boolean).join(": ");
    this.said.hidden = !why || this.#isOpen;
    setText(this.said, why);
  }

  get #isOpen() {
    return this.form !== null && !this.form.hidden;
  }

  #thumb(rating, label) {
    return iconButton(`thumb-${rating}`, label, {
      class: `thumb thumb-${rating}`,
      "aria-pressed": "false",
      on: { click: () => this.#press(rating) },
    });
  }

  #press(rating) {
    const before = this.#item.feedback?.rating ?? "none";
    const now = before === rating ? "none" : rating;
    this.onRate(this.#item, { rating: now, reason: "", comment: "" });
    announce(SAID[now]);
    if (now === "none") this.#close();
    else this.#open(now);
  }

  #form() {
    const name = `feedback-${(forms += 1)}`;
    const { reasons, commentChars } = limits();
    this.question = el("legend", {});
    this.reasons = el(
      "fieldset",
      { class: "feedback-reasons" },
      this.question,
      ...reasons.map((reason) => el("label", {}, el("input", { type: "radio", name, value: reason }), reasonWords(reason))),
    );
    this.comment = el("textarea", {
      rows: "2",
      maxlength: commentChars,
      placeholder: gettext("Say more (optional)"),
      dir: "auto",
    });
    const send = el("button", { type: "submit", class: "button primary", text: gettext("Send") });
    const skip = el("button", { type: "button", class: "button quiet", text: gettext("Skip") });
    skip.addEventListener("click", () => this.#leave());
    const form = el(
      "form",
      { class: "feedback-form", hidden: true, "aria-label": gettext("Why this rating") },
      this.reasons,
      el("label", { class: "feedback-comment" }, gettext("Comment"), this.comment),
      el("div", { class: "feedback-buttons" }, send, skip),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || isComposed(event)) return;
      event.stopPropagation(); // it would stop the answer that runs
      this.#leave();
    });
    return form;
  }

  #open(rating) {
    if (!this.form) {
      this.form = this.#form();
      this.node.append(this.form);
    }
    setText(this.question, rating === "down" ? gettext("What was wrong with it?") : gettext("What was good about it?"));
    this.reasons.disabled = this.reasons.hidden = rating === "up";
    this.form.reset();
    this.form.hidden = false;
    this.said.hidden = true;
    (this.#checkable() ?? this.comment).focus();
  }

  #checkable() {
    return this.reasons.disabled ? null : this.reasons.querySelector("input");
  }

  #send() {
    const reason = this.reasons.disabled ? "" : (this.reasons.querySelector("input:checked")?.value ?? "");
    const comment = this.comment.value.trim();
    const rating = this.#item.feedback?.rating ?? "none";
    if ((reason || comment) && rating !== "none") {
      this.onRate(this.#item, { rating, reason, comment });
      announce(gettext("Thank you."));
    }
    this.#leave();
  }

  /** Back to the thumb that opened it. */
  #leave() {
    this.#close();
    const pressed = this.#item.feedback?.rating === "up" ? this.up : this.down;
    pressed.focus();
    this.update(this.#item);
  }

  #close() {
    if (this.form) this.form.hidden = true;
  }
}

/** The text of an answer that is rated: its last one, as far as the server has it; null where there is none. */
export function ratedItem({ id, status, items }) {
  if (id.startsWith("told_") || status === "in_progress" || status === "queued") return null;
  return items.findLast((item) => item.kind === "text" && item.text && item.status !== "streaming") ?? null;
}

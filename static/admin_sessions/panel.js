// The panel beside a session answers in its place. Without this script its forms do the same with a new page.

import { Drafts } from "./drafts.js";
import { linkOf } from "./keys.js";
import { offerNames } from "./mentions.js";

const [IN_PLACE, FROM_LIST] = [{ "X-Desk": "1" }, { "X-Desk": "list" }];
/** One tag seldom comes alone: who adds one stays there, since a key that is meant for the next one would act on the session. */
const TAG = "input[type=text][name=tag]";
const NO_ANSWER = "No answer from the server. Look whether it was done, then try again.";

const actOf = (form) => form.elements.act.value;
const nameOf = (field) => [actOf(field.form), field.name, /^(radio|submit)$/.test(field.type) ? field.value : ""].join("\n");
const stateOf = (field) => (field.type === "radio" ? field.checked : field.value);

/** In the one place for it, which stays: what is new in it is read out. */
function say(words, refused) {
  const place = document.querySelector("[data-said]");
  place.textContent = words;
  place.classList.toggle("desk-refused", refused);
}

/** What came of an act: the new panel where it was done or refused in words; null: it has been said that something went
 * wrong. */
async function post(url, body, headers = IN_PLACE) {
  say("", false);
  let answer, html;
  try {
    answer = await fetch(url, { method: "POST", body, headers });
    html = await answer.text();
  } catch {
    say(NO_ANSWER, true);
    return null;
  }
  if (answer.redirected || answer.status === 403 || answer.status === 404) {
    location.reload(); // signed out, or the right was taken away: the page says so
    return null;
  }
  if (!answer.ok && answer.status !== 409) {
    say(`It was not done: the server answered ${answer.status}. Try again.`, true);
    return null;
  }
  const panel = new DOMParser().parseFromString(html, "text/html");
  const told = panel.querySelector(".desk-said"); // said in the place for it, and there alone
  told?.remove();
  const words = told?.textContent ?? "";
  return { done: answer.ok, words, inside: panel.querySelector(".desk-inside") };
}

export class Panel {
  /** What the fields had in them when the panel came. */
  #given;
  #kept;

  constructor(element) {
    this.element = element;
    this.#given = this.#states();
    this.#kept = new Drafts(element);
    this.#kept.restore();
    offerNames(element);
    element.addEventListener("submit", (event) => this.#submitted(event));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("textarea")) {
        event.preventDefault();
        event.target.form.requestSubmit();
      } else if (event.key === "Enter" && event.target.matches(TAG) && !event.target.value.trim()) {
        event.preventDefault();
        element.focus(); // enough of them
      }
    });
    document.addEventListener("desk:stale", () => this.#look());
    addEventListener("beforeunload", (event) => {
      if (element.querySelector("textarea[name=note]")?.value.trim()) {
        event.preventDefault();
      }
    });
  }

  /** As it is by now; what was begun in it stays. */
  async #look() {
    const form = this.element.querySelector("form[data-in-place]");
    if (!form) {
      return;
    }
    const body = new URLSearchParams({ act: "look", csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
    const answer = await post(form.action, body);
    const shown = this.element.querySelector(".desk-inside").dataset.reviewed;
    if (answer && Number(answer.inside.dataset.reviewed) >= Number(shown)) {
      this.#show(answer.inside, this.#drafts(() => this.#given)); // else an act was done meanwhile, whose panel is newer
    }
  }

  async #submitted(event) {
    const form = event.target;
    if (!form.matches("[data-in-place]")) {
      return;
    }
    event.preventDefault();
    const act = actOf(form);
    const sent = this.#states();
    const answer = await post(form.action, new FormData(form, event.submitter));
    if (!answer) {
      return;
    }
    const typed = document.activeElement;
    this.#show(answer.inside, this.#drafts((field) => (answer.done && actOf(field.form) === act ? sent : this.#given)));
    if (answer.done && typed?.form === form && typed.matches(`[data-focus]:not([name=reason], ${TAG}), [data-by-key]:not(${TAG})`)) {
      this.element.focus(); // who came by a key goes on by keys
    }
    say(answer.words, !answer.done);
  }

  #fields() {
    const fields = ":is(input[type=text], input[type=radio], select, textarea)";
    return [...this.element.querySelectorAll(`form[data-in-place] ${fields}`)];
  }

  #states() {
    return new Map(this.#fields().map((field) => [nameOf(field), stateOf(field)]));
  }

  /** What was begun and not sent. */
  #drafts(before) {
    const changed = this.#fields().filter((field) => stateOf(field) !== before(field).get(nameOf(field)));
    return new Map(changed.map((field) => [nameOf(field), stateOf(field)]));
  }

  #show(inside, drafts) {
    const focused = document.activeElement;
    const isInside = this.element.contains(focused) && focused !== this.element;
    const name = isInside && focused.form ? nameOf(focused) : "";
    const { selectionStart, selectionEnd } = focused;
    this.element.querySelector(".desk-inside").replaceWith(inside);
    this.#given = this.#states();
    for (const field of this.#fields().filter((one) => drafts.has(nameOf(one)))) {
      field[field.type === "radio" ? "checked" : "value"] = drafts.get(nameOf(field));
    }
    this.#kept.keep();
    if (inside.querySelector("[data-key=z]")) {
      delete document.querySelector(".desk-undo:not([data-in-place]) [data-key=z]")?.dataset.key; // of what was done last
    }
    offerNames(this.element);
    if (isInside) {
      this.#focus(name, selectionStart, selectionEnd);
    }
  }

  /** On the same field or button; on the panel where that has gone, so that the tabulator goes on from there. */
  #focus(name, start, end) {
    const all = this.element.querySelectorAll("form[data-in-place] :is(input:not([type=hidden]), select, textarea, button)");
    const same = [...all].find((one) => nameOf(one) === name) ?? this.element;
    same.focus();
    if (same.matches("input[type=text], textarea")) {
      same.setSelectionRange(start, end);
    }
  }
}

const FOR_TICKED = { d: "mark_done", f: "mark_flagged", a: "assign_to_me", t: "tag_or_assign", A: "assign_to" };
/** That can be done to one by itself no other way. */
const FOR_ONE_AS_WELL = ["t", "A"];

/** What a key does to the ticked rows of the list, by its bar of actions; null: nothing. */
export function actOnTicked(key, row) {
  const choice = document.querySelector("#changelist-form select[name=action]");
  const ticked = document.querySelector("#changelist-form input.action-select:checked");
  const box = FOR_ONE_AS_WELL.includes(key) ? row?.querySelector("input.action-select") : null;
  const offered = [...(choice?.options ?? [])].some((one) => one.value === FOR_TICKED[key]);
  if (!offered || !(ticked ?? box)) {
    return null;
  }
  return () => {
    if (!ticked) {
      box.click();
    }
    choice.value = FOR_TICKED[key];
    choice.dispatchEvent(new Event("change"));
    if (key === "A") {
      choice.form.elements.assignee.focus();
    } else {
      choice.form.requestSubmit(choice.form.querySelector("button[name=index]"));
    }
  };
}

/** In a choice of colleagues Enter takes the one that stands there. */
export function takesByEnter(event) {
  if (event.key === "Enter" && event.target.matches("select[name=assignee]")) {
    event.preventDefault();
    const { form } = event.target;
    form.requestSubmit(form.querySelector("button[name=index]") ?? undefined);
  }
}

/** An act on a session of the list, by its row: a function that gives a promise of whether the list is shown anew for it. Null:
 * there is no such act for the key. */
export function actOnRow(key, row) {
  const given = {
    d: { act: "state", state: "done" },
    f: { act: "state", state: "flagged" },
    a: { act: "assign", assignee: "me" },
    s: { act: "skip" },
  }[key];
  const link = linkOf(row);
  const token = document.querySelector(":is(#changelist-form, [data-token]) [name=csrfmiddlewaretoken]");
  if (!given || !link || !token || !document.querySelector("[data-row-acts]")) {
    return null;
  }
  const url = new URL(link.href);
  url.pathname = url.pathname.replace(/change\/$/, "review/");
  const here = location.pathname + location.search;
  const body = new URLSearchParams({ ...given, here, csrfmiddlewaretoken: token.value });
  return async () => {
    const answer = await post(url, body, FROM_LIST);
    if (answer?.done) {
      location.reload(); // which says what was done, with a button that takes it back
    } else if (answer) {
      say(answer.words, true);
    }
    return Boolean(answer?.done);
  };
}

// Putting away and bringing back in the inbox: a row leaves at once, and the server is told of one after the other. Without this
// script the same forms do it with a new page.

const IN_PLACE = { "X-Desk": "1" };
/** So long what the menu is told of the count may still be of the page's own doing. */
const OWN_MS = 2_000;
const FAILED = "That did not reach the server: it stands here again. Try once more.";

export class Away {
  #last = Promise.resolve();
  #waiting = [];
  #undo = [];
  #ownUntil;

  constructor(many, keys) {
    this.many = many;
    this.keys = keys;
    this.bar = document.getElementById("inbox-done");
    this.bar.querySelector("button").addEventListener("click", () => this.#takesBack());
    document.addEventListener("submit", (event) => this.#submitted(event));
    addEventListener("pagehide", () => this.#waiting.splice(0).forEach((one) => this.#send(one).catch(() => {})));
  }

  #submitted(event) {
    const act = event.submitter?.value;
    const form = event.target;
    if (!["dismiss", "back"].includes(act) || !(form === this.many || form.matches(".inbox-acts"))) {
      return;
    }
    event.preventDefault();
    const chosen = form === this.many ? [...document.querySelectorAll(".inbox-row:has(.action-select:checked)")] : [form.closest(".inbox-row")];
    const rows = chosen.filter((row) => row && !row.hidden);
    if (!rows.length) {
      this.#say("Nothing was chosen.");
      return;
    }
    rows.forEach((row) => row.querySelectorAll(".action-select").forEach((box) => (box.checked = false)));
    this.keys.leave(rows);
    this.#show();
    const batch = { act, rows };
    if (act === "dismiss") {
      document.querySelectorAll(".inbox-undo").forEach((old) => old.closest("li")?.remove());
      this.#undo.push(batch);
    }
    this.#queue(batch, () => this.#returns(rows));
  }

  /** The last that was put away on this page. */
  #takesBack() {
    const batch = this.#undo.pop();
    if (batch) {
      this.#returns(batch.rows);
      this.#queue({ act: "back", rows: batch.rows }, () => {
        this.keys.leave(batch.rows);
        this.#show();
      });
    }
  }

  #returns(rows) {
    rows.forEach((row) => (row.hidden = false));
    this.keys.choose(rows[0]);
    this.#show();
  }

  #queue(batch, onFailure) {
    document.getElementById("inbox-count")?.setAttribute("data-own", "");
    clearTimeout(this.#ownUntil);
    this.#waiting.push(batch);
    this.#say(batch.act === "dismiss" ? "Putting away…" : "Bringing back…");
    this.#last = this.#last.then(() => this.#next(batch, onFailure));
  }

  async #next(batch, onFailure) {
    const place = this.#waiting.indexOf(batch);
    if (place < 0) {
      return; // sent as the page was left
    }
    this.#waiting.splice(place, 1);
    try {
      const answer = await this.#send(batch);
      if (answer.redirected || answer.status === 403) {
        location.reload(); // signed out, or the right was taken away: the page says so
        return;
      }
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      this.#became(await answer.json());
    } catch {
      this.#undo = this.#undo.filter((one) => one !== batch);
      onFailure();
      this.#say(FAILED);
    }
    if (!this.#waiting.length) {
      this.#ownUntil = setTimeout(() => document.getElementById("inbox-count")?.removeAttribute("data-own"), OWN_MS);
    }
  }

  #send({ act, rows }) {
    const body = new FormData(this.many);
    body.delete("item");
    body.set("act", act);
    rows.forEach((row) => body.append("item", row.dataset.items));
    return fetch(this.many.action, { method: "POST", body, headers: IN_PLACE, keepalive: true });
  }

  #became({ words, counts }) {
    for (const [kind, count] of Object.entries(counts)) {
      const place = document.querySelector(`[data-tab="${kind}"]`);
      if (place) {
        place.textContent = count;
      }
    }
    if (!this.#waiting.length) {
      this.#say(words);
    }
  }

  #say(words) {
    this.bar.hidden = false;
    this.bar.querySelector("span").textContent = words;
    this.bar.querySelector("button").hidden = !this.#undo.length;
  }

  #show() {
    const shown = document.querySelector(".inbox-row:not([hidden])");
    this.many.hidden = !shown;
    document.getElementById("inbox-through").hidden = Boolean(shown);
  }
}

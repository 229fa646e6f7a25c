// The panel beside a session answers in its place. Without this script its forms do the same with a new page.

const IN_PLACE = { "X-Desk": "1" };

export class Panel {
  constructor(element) {
    this.element = element;
    element.addEventListener("submit", (event) => this.#submitted(event));
    element.addEventListener("change", (event) => this.#changed(event));
    this.#quiet();
  }

  #changed({ target }) {
    if (target.matches("select[name=assignee], input[name=score]")) {
      target.form.requestSubmit();
    }
  }

  async #submitted(event) {
    const form = event.target;
    if (!form.matches("[data-in-place]")) {
      return;
    }
    event.preventDefault();
    const focused = document.activeElement?.getAttribute("name");
    const body = new FormData(form, event.submitter);
    const answer = await fetch(form.action, { method: "POST", body, headers: IN_PLACE });
    const isPanel = answer.ok || answer.status === 409;
    if (!isPanel || answer.redirected) {
      location.reload(); // signed out, or the right was taken away: the page says so
      return;
    }
    this.#show(await answer.text());
    this.#focus(body.get("act"), focused);
  }

  #show(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    this.element.replaceChildren(...parsed.body.childNodes);
    this.#quiet();
  }

  /** Where the next tag is likely to be typed the field stays chosen; elsewhere the keys are for the page again. */
  #focus(act, focused) {
    if (act === "tag" && focused === "tag") {
      this.element.querySelector("[data-focus=t]")?.focus();
    }
  }

  /** A choice is saved as it is made, so its button goes. */
  #quiet() {
    for (const button of this.element.querySelectorAll("[data-when-changed]")) {
      button.hidden = true;
    }
  }
}

/** An act on a session of the list, by its row; whether there is such an act for the key. */
export function actOnRow(key, row) {
  const given = {
    d: { act: "state", state: "done" },
    f: { act: "state", state: "flagged" },
    a: { act: "assign", assignee: "me" },
    s: { act: "skip" },
  }[key];
  const link = row.querySelector("th a");
  const token = document.querySelector("#changelist-form [name=csrfmiddlewaretoken]");
  if (!given || !link || !token || !document.querySelector(".desk-bar-side")) {
    return false;
  }
  const body = new URLSearchParams({ ...given, csrfmiddlewaretoken: token.value });
  const url = new URL(link.href);
  url.pathname = url.pathname.replace(/change\/$/, "review/");
  fetch(url, { method: "POST", body, headers: IN_PLACE }).then(() => location.reload());
  return true;
}

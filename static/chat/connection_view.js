/** How the connection is, in a word at the top, and in a sentence where the user has to do something. */

import { Phase } from "./realtime.js";
import { announce, el, icon, setText } from "./dom.js";

const GOOD_NEWS_MS = 4_000;

const WORDS = {
  [Phase.CONNECTING]: { text: "Connecting…", tone: "wait" },
  [Phase.ONLINE]: { text: "Connected", tone: "good" },
  [Phase.RECONNECTING]: { text: "Reconnecting…", tone: "wait" },
  [Phase.OFFLINE]: { text: "You are offline", tone: "bad" },
  [Phase.ENDED]: { text: "Session ended", tone: "idle" },
  [Phase.STOPPED]: { text: "Not connected", tone: "bad" },
};

export class ConnectionView {
  #dropped = false;
  #timer = null;

  /** `loginUrl()` leads to signing in and back. */
  constructor({ pill, banner, loginUrl, newUrl }) {
    this.pill = pill;
    this.banner = banner;
    this.loginUrl = loginUrl;
    this.newUrl = newUrl;
  }

  /** `answering`: an answer is being written, as far as this page knows; `sending`: something waits to be sent. */
  show(state, { answering = false, sending = false } = {}) {
    const word = state.code === 4429 && state.phase === Phase.RECONNECTING ? waiting : WORDS[state.phase];
    clearTimeout(this.#timer);
    if (state.phase === Phase.RECONNECTING || state.phase === Phase.OFFLINE) this.#drop(word);
    this.#say(this.#dropped && state.phase === Phase.ONLINE ? catchingUp : word);
    this.#showBanner(this.#advice(state) ?? meanwhile(state, answering, sending));
  }

  caughtUp() {
    if (!this.#dropped) return;
    this.#dropped = false;
    this.#say({ text: "Reconnected, caught up", tone: "good" });
    announce("Reconnected, caught up");
    this.#timer = setTimeout(() => this.#say(WORDS[Phase.ONLINE]), GOOD_NEWS_MS);
  }

  #drop(word) {
    if (!this.#dropped) announce(word.text);
    this.#dropped = true;
  }

  #say({ text, tone }) {
    this.pill.dataset.tone = tone;
    setText(this.pill.querySelector("[data-text]"), text);
  }

  #showBanner(parts) {
    this.banner.hidden = !parts;
    if (parts) this.banner.replaceChildren(icon("alert"), el("p", { text: parts.text }), parts.action ?? "");
  }

  #advice({ phase, code, message }) {
    if (phase === Phase.ENDED) return { text: "This session has ended. Write again to go on with it." };
    if (phase !== Phase.STOPPED) return null;
    const newChat = el("a", { class: "button", href: this.newUrl, text: "New chat" });
    if (code === 4401)
      return {
        text: message || "Sign in first.",
        action: el("a", { class: "button", href: this.loginUrl(), text: "Sign in" }),
      };
    if (code === 4404) return { text: "There is no such session here, or it is not yours.", action: newChat };
    if (code === 4403) return { text: message || "This page's address may not open a connection here." };
    return { text: message || "The server refused the connection.", action: newChat };
  }
}

/** What becomes of an answer or a message while there is no connection. */
function meanwhile({ phase, code }, answering, sending) {
  if ((phase !== Phase.RECONNECTING && phase !== Phase.OFFLINE) || !(answering || sending)) return null;
  if (phase === Phase.OFFLINE)
    return {
      text: answering
        ? "You are offline. Your answer goes on being written, and is shown as soon as you are back."
        : "You are offline. Your message is sent as soon as you are back.",
    };
  if (RESTARTS.has(code))
    return {
      text: answering
        ? "The server is restarting. Your answer goes on, or is written again, in a moment."
        : "The server is restarting. Your message is sent in a moment.",
    };
  return {
    text: answering
      ? "The connection was lost. Your answer goes on being written, and is shown as soon as the connection is back."
      : "The connection was lost. Your message is sent as soon as the connection is back.",
  };
}

const RESTARTS = new Set([1001, 1012]);
const waiting = { text: "Too many connections, waiting…", tone: "wait" };
const catchingUp = { text: "Catching up…", tone: "wait" };

/** How the connection is, in a word at the top, and in a sentence where the user has to do something. */

import { Phase } from "./realtime.js";
import { announce, el, icon, setText } from "./dom.js";
import { sentence } from "./sentences.js";
import { gettext } from "./words.js";

const GOOD_NEWS_MS = 4_000;

const WORDS = {
  [Phase.READY]: { text: gettext("Ready"), tone: "idle", calm: true },
  [Phase.CONNECTING]: { text: gettext("Connecting…"), tone: "wait" },
  [Phase.ONLINE]: { text: gettext("Connected"), tone: "good", calm: true },
  [Phase.RECONNECTING]: { text: gettext("Reconnecting…"), tone: "wait" },
  [Phase.OFFLINE]: { text: gettext("You are offline"), tone: "bad" },
  [Phase.ENDED]: { text: gettext("Session ended"), tone: "idle" },
  [Phase.STOPPED]: { text: gettext("Not connected"), tone: "bad" },
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

  /** Another conversation is shown: what was good news of the one before is none of it. */
  begin() {
    clearTimeout(this.#timer);
    this.#dropped = false;
  }

  /** `answering`: an answer is being written, as far as this page knows; `sending`: something waits to be sent. */
  show(state, { answering = false, sending = false } = {}) {
    const word = state.code === 4429 && state.phase === Phase.RECONNECTING ? waiting : WORDS[state.phase];
    clearTimeout(this.#timer);
    if (state.phase === Phase.READY) this.#dropped = false;
    if (state.phase === Phase.RECONNECTING || state.phase === Phase.OFFLINE) this.#drop(word);
    this.#say(this.#dropped && state.phase === Phase.ONLINE ? catchingUp : word);
    this.#showBanner(this.#advice(state) ?? meanwhile(state, answering, sending));
  }

  caughtUp() {
    if (!this.#dropped) return;
    this.#dropped = false;
    this.#say({ text: gettext("Reconnected, caught up"), tone: "good" });
    announce(gettext("Reconnected, caught up"));
    this.#timer = setTimeout(() => this.#say(WORDS[Phase.ONLINE]), GOOD_NEWS_MS);
  }

  #drop(word) {
    if (!this.#dropped) announce(word.text);
    this.#dropped = true;
  }

  /** `calm`: all is well, and a dot says enough. */
  #say({ text, tone, calm = false }) {
    this.pill.dataset.tone = tone;
    this.pill.toggleAttribute("data-calm", calm);
    this.pill.title = calm ? text : "";
    setText(this.pill.querySelector("[data-text]"), text);
  }

  #showBanner(parts) {
    this.banner.hidden = !parts;
    this.banner.dataset.tone = parts?.tone ?? "bad";
    if (parts) this.banner.replaceChildren(icon("alert"), el("p", { text: parts.text }), parts.action ?? "");
  }

  #advice({ phase, code }) {
    if (phase === Phase.ENDED)
      return { text: gettext("This conversation has ended. Write again to go on with it.") };
    if (phase !== Phase.STOPPED) return null;
    const newChat = el("a", { class: "button", href: this.newUrl, text: gettext("New chat") });
    const login = this.loginUrl();
    if (code === 4401)
      return {
        text: sentence("invalid_credentials"),
        action: login && el("a", { class: "button", href: login, text: gettext("Sign in") }),
      };
    if (code === 4404) return { text: sentence("session_not_found"), action: newChat };
    if (code === 4403) return { text: sentence("origin_refused") };
    return { text: gettext("The chat cannot be opened here."), action: newChat };
  }
}

/** What becomes of an answer or a message while there is no connection. */
function meanwhile({ phase, code }, answering, sending) {
  if ((phase !== Phase.RECONNECTING && phase !== Phase.OFFLINE) || !(answering || sending)) return null;
  const { answer, message } = phase === Phase.OFFLINE ? OFFLINE : RESTARTS.has(code) ? RESTARTING : LOST;
  return { text: answering ? answer : message, tone: "wait" };
}

const RESTARTS = new Set([1001, 1012]);
const OFFLINE = {
  answer: gettext("You are offline. As soon as you are back, your answer goes on, or is written again."),
  message: gettext("You are offline. Your message is sent as soon as you are back."),
};
const RESTARTING = {
  answer: gettext("The server is restarting. Your answer goes on, or is written again, in a moment."),
  message: gettext("The server is restarting. Your message is sent in a moment."),
};
const LOST = {
  answer: gettext("The connection was lost, and is being made again. Then your answer goes on, or is written again."),
  message: gettext("The connection was lost. Your message is sent once you are connected again."),
};

const waiting = { text: gettext("Too many connections, waiting…"), tone: "wait" };
const catchingUp = { text: gettext("Catching up…"), tone: "wait" };

/**
 * What a frame and the page around it say to each other (docs/embedding.md). Only pages of the origins that may show the frame
 * are heard and spoken to: the server's policy would not let another one show it, and this does not count on that.
 *
 * Events: `open`, `token` (detail: a fresh one), `asked` (what was asked for is here, and is no other than before), `say`
 * (detail: a text).
 */

import { gettext } from "./words.js";

const THEMES = ["light", "dark"];
/** So long after the page could not tell who is there it is asked again; where it was never told, as somebody opens the chat. */
const ASK_AGAIN_MS = 5_000;

export class FrameHost extends EventTarget {
  #origin = "";
  #asked = false;
  #identifies = false;
  /** Whose token is on its way may be somebody else than before. */
  #isNamed = false;
  #worked = false;
  #settle = null;
  #again = 0;

  /** `settings`: the page's, as strings. */
  constructor({ frameOrigins, buttonColors, logo, siteName }) {
    super();
    this.origins = frameOrigins.split(" ").filter(Boolean);
    this.colors = buttonColors.split(" ");
    this.logo = logo;
    this.name = siteName;
    this.token = "";
    /** The page around could not tell who is there. */
    this.isUntold = false;
    /** Settled once it is known who is there: by a token, or nobody by name. */
    this.identified = new Promise((settle) => (this.#settle = settle));
  }

  start() {
    window.addEventListener("message", (event) => this.#onMessage(event));
    const { colors, logo, name } = this;
    const words = { open: gettext("Open the chat"), close: gettext("Close the chat"), news: gettext("New answer") };
    this.#send("ready", { name, colors, logo, words });
  }

  close() {
    this.#send("close");
  }

  /** The page around is told that something happened; never what was said. */
  tell(event) {
    this.#send("event", { event });
  }

  /** The page's token is missing or has ended. One that never let anybody in is not asked for again and again. */
  askForToken() {
    if (this.#asked || (this.token && !this.#worked)) return;
    this.#ask();
  }

  /** A token was asked for and is not here yet. */
  get isAsking() {
    return this.#asked;
  }

  /** There is a connection, by the token that it was given. */
  letIn() {
    this.#worked = true;
  }

  #ask() {
    this.#send("token-needed");
    this.#asked = true;
  }

  #send(type, detail = {}) {
    if (window.parent === window) return;
    const message = { realtimeChat: 1, type, ...detail };
    for (const origin of this.#origin ? [this.#origin] : this.origins) window.parent.postMessage(message, origin);
  }

  #onMessage({ source, origin, data }) {
    const isHost = source === window.parent && this.origins.includes(origin) && data?.realtimeChat === 1;
    if (!isHost) return;
    this.#origin = origin;
    HANDLERS[data.type]?.(this, data);
  }

  hello({ theme, identifies }) {
    this.showIn(theme);
    this.#identifies = identifies === true;
  }

  /** Somebody has been named, whose token is on its way. */
  identify() {
    this.#identifies = this.#asked = this.#isNamed = true;
  }

  open() {
    if (!this.#identifies) this.#settle();
    else if (!this.token) this.askForToken();
    this.dispatchEvent(new Event("open"));
  }

  /** `failed`: there was none to be had. Whose token has ended, and nobody else was named, is no guest by that. */
  take(token, failed) {
    if (typeof token !== "string") return;
    this.isUntold = failed;
    clearTimeout(this.#again);
    const isRenewed = this.token && !this.#isNamed;
    this.#isNamed = false;
    if (failed && isRenewed) {
      this.#again = setTimeout(() => this.#ask(), ASK_AGAIN_MS);
      return;
    }
    const isOther = token !== this.token;
    this.#asked = this.#worked = false;
    this.token = token;
    this.#settle();
    this.dispatchEvent(isOther ? new CustomEvent("token", { detail: token }) : new Event("asked"));
  }

  showIn(theme) {
    if (THEMES.includes(theme)) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }
}

const HANDLERS = {
  hello: (host, message) => host.hello(message),
  identifies: (host) => host.identify(),
  token: (host, { token, failed }) => host.take(token, failed === true),
  theme: (host, { theme }) => host.showIn(theme),
  open: (host) => host.open(),
  say: (host, { text }) => text && host.dispatchEvent(new CustomEvent("say", { detail: String(text) })),
};

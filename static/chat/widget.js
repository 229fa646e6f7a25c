/**
 * The chat on any page: `<script src="https://chat.example.com/widget.js" data-assistant="sales"></script>`.
 *
 * A button, and behind it a panel with a frame of the chat's own origin (on a phone: the whole screen). The page and the frame
 * tell each other a few things by messages, each checked by its origin. Attributes, functions and events: docs/embedding.md.
 */
(() => {
  const script = document.currentScript;
  if (!script || window.RealtimeChat) return;
  const { assistant = "", theme = "", side = "right", identify = "" } = script.dataset;
  const base = new URL(".", script.src);
  const address = new URL(assistant ? `embed/${encodeURIComponent(assistant)}/` : "embed/", base);
  const listeners = new Map();
  const waiting = [];
  const TOKEN_WITHIN_MS = 20_000;
  let tokenOf = identify ? () => window[identify]?.() : null;
  let wantedTheme = theme;
  let giving = null;
  let isOpen = false;
  let isReady = false;
  let words = { open: "", close: "", news: "" };

  // The host is an element of the page's: what is important here no rule of the page's overrules.
  const STYLES = `
    :host { all: initial !important; position: fixed !important; z-index: 2147483000 !important; inset-block-end: 0 !important;
      inset-inline: 0 !important; block-size: 0 !important; }
    :host([hidden]) { display: none !important; }
    button { position: fixed; inset-block-end: 20px; width: 60px; height: 60px; padding: 0; border: 0; border-radius: 50%;
      background: var(--ground); color: var(--sign); cursor: pointer; display: grid; place-items: center;
      box-shadow: 0 2px 6px rgb(0 0 0 / 22%), 0 8px 24px rgb(0 0 0 / 18%); transition: transform 140ms ease-out; }
    button:hover { transform: translateY(-2px); }
    button:focus-visible { outline: 3px solid var(--ground); outline-offset: 3px; }
    svg { width: 28px; height: 28px; fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linecap: round;
      stroke-linejoin: round; }
    .opened .talk, .closed .cross { display: none; }
    .news { position: absolute; top: 2px; right: 2px; width: 14px; height: 14px; border-radius: 50%; background: #d92d20;
      border: 2px solid #fff; }
    .news[hidden] { display: none; }
    iframe { position: fixed; inset-block-end: 94px; width: min(400px, calc(100vw - 32px));
      height: min(660px, calc(100vh - 120px)); border: 0; border-radius: 16px; background: transparent;
      color-scheme: normal; box-shadow: 0 4px 12px rgb(0 0 0 / 14%), 0 16px 48px rgb(0 0 0 / 22%); }
    .closed iframe { visibility: hidden; opacity: 0; pointer-events: none; }
    .right button, .right iframe { right: 20px; }
    .left button, .left iframe { left: 20px; }
    @media (max-width: 480px) {
      .opened iframe { inset: 0; width: 100%; height: 100%; border-radius: 0; }
      .opened button { display: none; }
    }
    @media (forced-colors: active) {
      button, iframe { box-sizing: border-box; border: 1px solid ButtonText; }
      .news { forced-color-adjust: none; }
    }
    @media (prefers-reduced-motion: reduce) { button { transition: none; } button:hover { transform: none; } }
  `;

  const host = document.createElement("realtime-chat");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet(); // no style element: it would need the page's policy to allow it
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];
  host.hidden = true; // until the frame says that it may be shown here

  const frame = document.createElement("iframe");
  frame.src = address.href;
  frame.id = "frame";
  frame.allow = "clipboard-write";
  const button = document.createElement("button");
  button.type = "button";
  button.append(
    drawing("talk", "M5 5.500h14a1.500 1.500 0 0 1 1.500 1.500v8.500a1.500 1.500 0 0 1-1.500 1.500h-7l-4.500 3.500V17H5a1.500 1.500 0 0 1-1.500-1.500V7A1.500 1.500 0 0 1 5 5.500z"),
    drawing("cross", "M6 9l6 6 6-6"),
  );
  const news = document.createElement("span");
  news.className = "news";
  news.hidden = true;
  button.append(news);
  const box = document.createElement("div");
  box.append(frame, button);
  root.append(box);
  button.addEventListener("click", () => show(!isOpen));
  window.addEventListener("message", onMessage);
  show(false, { quietly: true });
  const watch = new MutationObserver(() => host.isConnected || !document.body || place());
  const placed = new AbortController();
  if (document.body) place();
  else document.addEventListener("DOMContentLoaded", place, { signal: placed.signal });

  function drawing(name, path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("class", name);
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }

  /** Onto the page, and again where the page puts another body, or other contents, in the place of those that it had. */
  function place() {
    isReady = false; // its frame is loaded with it
    watch.disconnect();
    for (const node of [document.documentElement, document.body]) watch.observe(node, { childList: true });
    document.body.append(host);
  }

  function show(open, { quietly = false } = {}) {
    isOpen = open;
    box.className = `${open ? "opened" : "closed"} ${side === "left" ? "left" : "right"}`;
    frame.inert = !open;
    button.setAttribute("aria-expanded", String(open));
    name();
    if (open) {
      news.hidden = true;
      if (isReady) send("open");
      frame.focus();
    } else if (!quietly) button.focus();
    if (!quietly) tell(open ? "open" : "close");
  }

  function name() {
    const label = isOpen ? words.close : news.hidden ? words.open : `${words.open}: ${words.news}`;
    button.setAttribute("aria-label", label);
    button.title = label;
  }

  // The frame: what it is told waits until it is there.

  function send(type, detail = {}) {
    const message = { realtimeChat: 1, type, ...detail };
    if (isReady && frame.contentWindow) frame.contentWindow.postMessage(message, address.origin);
    else waiting.push(message);
  }

  function onMessage({ source, origin, data }) {
    if (source !== frame.contentWindow || origin !== address.origin || data?.realtimeChat !== 1) return;
    FROM_FRAME[data.type]?.(data);
  }

  const FROM_FRAME = {
    ready(message) {
      words = message.words;
      frame.title = message.name;
      host.style.setProperty("--ground", message.colors[0]);
      host.style.setProperty("--sign", message.colors[1]);
      name();
      isReady = true; // for the first time, or again: whoever loads the frame anew has it as it was
      send("hello", { theme: wantedTheme, identifies: Boolean(tokenOf) });
      if (isOpen) send("open");
      for (const one of waiting.splice(0)) frame.contentWindow.postMessage(one, address.origin);
      host.hidden = false;
      tell("ready");
    },
    close: () => show(false),
    "token-needed": giveToken,
    event({ event }) {
      if (!isOpen) news.hidden = false;
      name();
      tell(event);
    },
  };

  /** Of the page's own server; without one the visitor is a guest. `failed`: who is there cannot be told at the moment. */
  async function giveToken() {
    const mine = (giving = {});
    let token = "";
    let failed = false;
    try {
      token = (await inTime(tokenOf?.())) ?? "";
    } catch (error) {
      failed = true;
      console.warn("RealtimeChat: no token:", error);
    }
    if (mine === giving && isReady) send("token", { token: String(token), failed }); // else somebody else was named meanwhile
  }

  function inTime(promise) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("it took too long")), TOKEN_WITHIN_MS));
    return Promise.race([promise, late]);
  }

  function tell(event) {
    for (const listener of listeners.get(event) ?? []) listener();
    host.dispatchEvent(new CustomEvent(`realtime-chat-${event}`, { bubbles: true }));
  }

  window.RealtimeChat = {
    open: () => isOpen || show(true),
    close: () => isOpen && show(false),
    toggle: () => show(!isOpen),
    /** A function that gives a client secret, or a promise of one; asked again when one has ended. */
    identify(source) {
      tokenOf = typeof source === "function" ? source : () => source;
      if (!isReady) return;
      send("identifies");
      giveToken();
    },
    theme(wanted) {
      wantedTheme = wanted;
      if (isReady) send("theme", { theme: wanted });
    },
    say(text) {
      show(true);
      send("say", { text });
    },
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener]);
    },
    remove() {
      placed.abort();
      watch.disconnect();
      window.removeEventListener("message", onMessage);
      isReady = false;
      host.remove();
      delete window.RealtimeChat;
    },
  };
})();

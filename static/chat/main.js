/** Puts the page together: the session's state goes onto the page, what the user does goes into the session. */

import { Addresses } from "./addresses.js";
import { Announcements } from "./announcements.js";
import { Attachments } from "./attachments.js";
import { Phase } from "./realtime.js";
import { copyFrom } from "./clipboard.js";
import { Composer } from "./composer.js";
import { ConnectionView } from "./connection_view.js";
import { csrfToken } from "./csrf.js";
import { announce, isComposed, setText } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Earlier } from "./earlier.js";
import { Follow } from "./follow.js";
import { hasSignedOut } from "./forget_here.js";
import { FrameHost } from "./frame_host.js";
import { FrameList } from "./frame_list.js";
import { FramePlace } from "./frame_place.js";
import { Keys } from "./keys.js";
import { ModelPicker } from "./model_picker.js";
import { OwnData } from "./own_data.js";
import { Recap } from "./recap.js";
import { ChatSession } from "./session.js";
import { SessionsPanel } from "./sessions_panel.js";
import { TabTitle } from "./tab_title.js";
import { Toasts } from "./toasts.js";
import { TranscriptView } from "./view.js";
import { gettext } from "./words.js";

const REFRESH_LIST_MS = 30_000;
const TITLE_CHARS = 120;

const byId = (id) => document.getElementById(id);
const settings = document.body.dataset;
const isFramed = "frameOrigins" in settings;

class Page {
  #session = null;
  #early = [];
  #listedAt = 0;

  constructor() {
    const { homeUrl, sessionUrl, assistant } = settings;
    if (!isFramed) hasSignedOut(settings.user);
    this.addresses = isFramed
      ? new FramePlace({ homeUrl, assistant })
      : new Addresses({ homeUrl, sessionUrl, assistant, elsewhere });
    this.host = isFramed ? new FrameHost(settings) : null;
    this.before = isFramed
      ? new FrameList({ button: byId("open-frame-list"), menu: byId("frame-list"), place: this.addresses })
      : null;
    this.announcements = new Announcements(byId("announcer"));
    this.title = new TabTitle();
    this.view = new TranscriptView(byId("transcript"), {
      tryAgain: (entry) => this.#session.tryAgain(entry),
      sendAgain: (entry) => this.#session.sendAgain(entry),
      takeBack: (entry) => this.#giveBack(this.#session.takeBack(entry)),
      edit: (entry) => this.composer.edit(entry),
      reword: (entry) => this.#reword(entry),
      choose: (itemId) => this.#session.choose(itemId),
      decide: (item, approve) => this.#session.decide(item, approve),
      rate: (item, word) => this.#session.rate(item, word),
      read: (answerId, nodes) => this.announcements.read(answerId, nodes),
      urlOf: (fileId) => this.#session.client.fileUrl(fileId),
    });
    this.recap = new Recap({ box: byId("recap"), text: byId("recap-text"), find: (id) => this.panel.find(id) });
    this.follow = new Follow({ scroller: byId("scroller"), content: byId("content"), button: byId("jump") });
    this.earlier = new Earlier({
      scroller: byId("scroller"),
      content: byId("transcript"),
      button: byId("earlier"),
      session: () => this.#session,
    });
    this.attachments = byId("attach") && this.#attachments();
    this.composer = new Composer({
      attachments: this.attachments,
      form: byId("composer"),
      counter: byId("counter"),
      editing: byId("editing"),
      maxChars: Number(settings.maxMessageChars),
    });
    this.models = new ModelPicker(byId("model"), {
      choose: (model) => this.#whenOpen(() => this.#session.chooseModel(model)),
    });
    this.toasts = new Toasts(byId("toasts"));
    this.connection = new ConnectionView({
      pill: byId("connection"),
      banner: byId("banner"),
      loginUrl: isFramed ? () => "" : loginUrl,
      newUrl: settings.homeUrl,
    });
    this.panel = new SessionsPanel({
      list: byId("session-list"),
      search: byId("search-sessions"),
      status: byId("session-list-status"),
      moreButton: byId("more-sessions"),
      url: settings.sessionsUrl,
      ownUrl,
      sessionUrl: (id, assistant) => this.addresses.of(id, assistant),
      remove: (session) => this.ownData.askFor(session),
    });
    this.ownData = new OwnData({
      dialog: byId("confirm-delete"),
      menuButton: byId("open-own-data"),
      menu: byId("own-data"),
      allButton: byId("delete-all"),
      sessionUrl: ownUrl,
      allUrl: settings.ownSessionsUrl,
    });
    this.keys = new Keys({
      list: byId("shortcuts"),
      input: byId("message"),
      act: {
        scroll: (key) => this.#scroll(key),
        write: () => this.composer.focus(),
        editLast: () => document.querySelector(".edit:not([hidden])")?.click(),
        newChat: isFramed ? null : () => document.querySelector(".new-chat").click(),
        search: isFramed ? null : () => this.#search(),
      },
    });
    this.drawer = new Drawer({
      panel: byId("sidebar"),
      main: byId("main"),
      scrim: byId("scrim"),
      openButton: byId("open-sidebar"),
      closeButton: byId("close-sidebar"),
    });
  }

  #attachments() {
    return new Attachments({
      list: byId("chips"),
      button: byId("attach"),
      input: byId("files"),
      drop: byId("main"),
      text: byId("message"),
      client: () => this.#session.client,
      most: Number(settings.maxFiles),
      maxBytes: Number(settings.maxFileBytes),
    });
  }

  start() {
    this.attachments?.addEventListener("problem", ({ detail }) => this.toasts.show(detail));
    this.addresses.addEventListener("move", () => this.#open());
    this.composer.addEventListener("send", () => this.toasts.clear());
    this.composer.addEventListener("send", ({ detail }) => this.#say(detail.text, detail.parts, detail.replaces));
    this.panel.addEventListener("problem", ({ detail }) => this.toasts.show(detail));
    this.panel.addEventListener("named", () => this.#showAround(this.#session));
    this.composer.addEventListener("stop", () => this.#session.stop());
    this.ownData.addEventListener("forgotten", ({ detail }) => this.#onForgotten(detail));
    this.ownData.addEventListener("problem", ({ detail }) => this.toasts.show(detail));
    byId("open-shortcuts").addEventListener("click", () => this.keys.showList());
    byId("ask-again").addEventListener("click", () => this.#session.askAgain());
    document.addEventListener("click", (event) => this.#onClick(event));
    document.addEventListener("keydown", (event) => event.key === "Escape" && !isComposed(event) && this.#onEscape());
    document.addEventListener("visibilitychange", () => this.#onVisible());
    if (this.host) this.#startInFrame();
    else {
      this.#open();
      this.#refreshList();
    }
  }

  /** Nothing is asked of the server before somebody opens the chat. */
  #startInFrame() {
    const opened = async () => {
      await this.host.identified;
      if (!this.#session) {
        this.#hasSignedOut(); // on another page: what is written here already is of whoever is here
        this.#open();
      }
      this.composer.focus();
    };
    if (this.attachments) this.attachments.enabled = false; // until somebody is there by name
    this.host.addEventListener("open", opened);
    this.host.addEventListener("token", ({ detail }) => this.#renew(detail));
    this.host.addEventListener("asked", () => this.#session && this.#showConnection(this.#session.client.state));
    this.host.addEventListener("say", ({ detail }) => opened().then(() => this.#say(detail)));
    byId("close-frame").addEventListener("click", () => this.host.close());
    this.host.start();
  }

  /** With a fresh token the connection goes on where it was; with that of somebody else nothing of before is shown. */
  #renew(token) {
    const isLeft = this.#hasSignedOut();
    if (this.attachments) this.attachments.enabled = Boolean(token);
    this.before.forget();
    if (isLeft) this.#forgetWritten();
    if (isLeft && this.#session && !this.addresses.sessionId) this.#open();
    else this.#session?.renew(token);
  }

  #hasSignedOut() {
    return !this.host.isUntold && hasSignedOut(this.host.token && "named");
  }

  /** What they were about to say who have signed out. */
  #forgetWritten() {
    this.attachments?.clear({ discard: true });
    this.composer.fill("");
  }

  /** Now, or as soon as it is known who is there. */
  #whenOpen(act) {
    if (this.#session) act();
    else this.#early.push(act);
  }

  /** Home is where the conversation began, also where that is not here yet. */
  #scroll(key) {
    this.earlier.stay();
    this.follow.byKey(key);
    if (key === "Home") this.earlier.toBeginning();
  }

  #search() {
    this.drawer.open();
    byId("search-sessions").focus();
  }

  #onEscape() {
    if (document.querySelector("dialog[open]")) return; // it is left by this
    if (this.#session?.state.active) this.#session.stop();
    else this.host?.close();
  }

  /** Show the session that the address names. */
  #open() {
    const before = this.#session;
    this.#session = null; // what closing it brings about is shown no more
    before?.close();
    const query = settings.socketQuery ? `?${settings.socketQuery}` : "";
    const socketUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/session${query}`;
    const { sessionId, resumeToken } = this.addresses;
    const access = { token: this.host?.token, csrfToken };
    const session = new ChatSession({ socketUrl, sessionId, resumeToken, ...access });
    this.#session = session;
    this.connection.begin();
    this.toasts.clear();
    this.#listen(session, "change", (frames) => this.#render(session, frames));
    this.#listen(session, "connection", (state) => this.#onConnection(state));
    this.#listen(session, "caughtup", () => this.#onCaughtUp());
    this.#listen(session, "problem", (problem) => this.toasts.show(problem.message, problem));
    this.attachments?.clear({ discard: true });
    this.composer.open(this.addresses.sessionId);
    this.drawer.close();
    this.recap.open(isFramed ? "" : sessionId);
    session.start();
    this.#render(session, []);
    this.follow.jump();
    if (window.matchMedia("(hover: hover)").matches) this.composer.focus();
    for (const act of this.#early.splice(0)) act();
    this.composer.begin();
  }

  #onCaughtUp() {
    this.connection.caughtUp();
    if (this.#session.wasUsed) this.recap.show();
    this.#lookForEarlier();
  }

  /** Behind the picture in which all that came has been drawn, and its end is scrolled to. */
  #lookForEarlier() {
    const look = () => (this.view.isWhole ? this.earlier.look() : this.#lookForEarlier());
    requestAnimationFrame(() => requestAnimationFrame(look));
  }

  /** As long as it is the one that is shown. */
  #listen(session, type, act) {
    session.addEventListener(type, ({ detail }) => session === this.#session && act(detail));
  }

  #say(text, parts = [], replaces = "") {
    this.recap.hide();
    this.#session.say(text, parts, replaces);
    this.follow.jump();
    this.#onConnection(this.#session.client.state);
  }

  #reword(message) {
    this.#session.dropRefused(message);
    this.#giveBack(message);
  }

  /** What was said and is not, any more, is there to be said in other words. */
  #giveBack(message) {
    if (!message) return;
    this.composer.giveBack(message.text);
    this.attachments?.giveBack(message.files);
  }

  #onClick({ target }) {
    const copy = target.closest?.(".copy-code");
    if (copy) copyFrom(copy, copy.closest(".code-block").querySelector("pre").textContent);
    const example = target.closest?.("[data-prompt]");
    if (example) this.#whenOpen(() => this.#say(example.dataset.prompt));
  }

  /** The one that is open is left for a new one. */
  #onForgotten(sessionId) {
    const isOpen = sessionId === null || sessionId === this.addresses.sessionId;
    this.panel.forget(sessionId);
    if (isOpen) this.addresses.home();
    announce(gettext("Deleted."));
  }

  #onVisible() {
    this.#session?.flush(); // also of a page that is left: the picture that it waits for does not come
    if (document.hidden) return;
    if (isFramed) return;
    if (Date.now() - this.#listedAt > REFRESH_LIST_MS) this.#refreshList();
  }

  #onConnection(state) {
    const isGone = state.phase === Phase.STOPPED && state.code === 4404;
    if (isFramed && isGone && this.addresses.sessionId) return this.#leaveGone();
    if (state.phase === Phase.ONLINE) this.host?.letIn();
    if (isRefused(state)) this.host?.askForToken();
    this.#showConnection(state);
  }

  /** While a fresh token is on its way, it goes on in a moment. */
  #showConnection(state) {
    const shown = isRefused(state) && this.host?.isAsking ? { ...state, phase: Phase.RECONNECTING } : state;
    const { state: said, outbox } = this.#session;
    this.connection.show(shown, { answering: said.active !== null, sending: outbox.events.length > 0 });
    this.composer.setEnabled(shown.phase !== Phase.STOPPED);
  }

  /** In a frame: it is of another visit, or of somebody else. What has been said to it is said in a new one. */
  #leaveGone() {
    const unsaid = this.#session.takeUnsaid();
    if (this.host.isUntold) this.addresses.home(); // it may be theirs all the same
    else this.addresses.drop();
    for (const { text, parts } of unsaid) this.#say(text, parts);
  }

  // The session's state onto the page

  #render(session, frames) {
    if (session !== this.#session) return;
    this.follow.active = session.state.entries.length > 0;
    if (session.caughtUp) this.announcements.expect(frames, session.state.active);
    if (!this.view.render(session.path, session.latest)) requestAnimationFrame(() => this.#render(session, []));
    this.#showAround(session);
    if (session.caughtUp) this.#tell(session.path.entries, frames);
  }

  /** What happened, to whoever does not see it. */
  #tell(entries, frames) {
    if (frames.some(({ response }) => response?.x_queued)) announce(gettext("Your message waits for the answer before it."));
    this.announcements.ended(frames, entries);
    this.announcements.ask(entries);
    const isWritten = this.announcements.written(frames, entries);
    if (!isWritten && !frames.some((frame) => frame.type === "response.done")) return;
    this.title.tell(Announcements.waits(entries) ? gettext("Your approval is needed") : gettext("New answer"));
    this.host?.tell("answer");
    this.#refreshList();
  }

  #showAround({ state, caughtUp, isUnanswered, isOver, client, hasEarlier, latest, model }) {
    const isEmpty = state.entries.length === 0;
    const isNew = !this.addresses.sessionId;
    const stopped = client.state.phase === Phase.STOPPED;
    byId("welcome").hidden = !isEmpty || stopped || !(isNew || caughtUp);
    byId("loading").hidden = !isEmpty || stopped || isNew || caughtUp;
    byId("unanswered").hidden = !isUnanswered;
    byId("ask-again").hidden = isOver;
    byId("unanswered-new").hidden = !isOver;
    byId("notice").hidden = !state.notice || !("notices" in settings);
    setText(byId("notice-text"), state.notice);
    for (const place of document.querySelectorAll("[data-model]")) {
      const answering = state.model || settings.usualModel;
      place.hidden = !answering;
      setText(place, answering ?? "");
    }
    this.models.show(model, { enabled: state.active === null && !stopped });
    this.composer.setAnswering(state.active !== null);
    this.composer.keepEditing(latest.message);
    this.#showTitle(state, hasEarlier);
  }

  /** The address names the session as soon as something was said in it. */
  #showTitle({ sessionId, entries }, hasEarlier) {
    const first = entries.find((entry) => entry.role === "user" && entry.state === "sent");
    const beginning = hasEarlier || !first ? "" : words(first).replace(/\s+/g, " ").slice(0, TITLE_CHARS);
    if (first && !this.addresses.sessionId) this.addresses.settle(sessionId, this.#session.client.place.resumeToken);
    const id = this.addresses.sessionId;
    const title = (id && this.panel.title(id)) || beginning || (hasEarlier ? gettext("Conversation") : gettext("New chat"));
    setText(byId("session-title"), title);
    this.title.set(`${title} · ${settings.siteName}`);
    for (const link of document.querySelectorAll("[data-login-link]")) link.href = loginUrl();
    this.composer.keepDraft(id);
    this.panel.mark(id, beginning);
    this.before?.name(id, beginning);
  }

  async #refreshList() {
    if (isFramed) return; // a frame has one conversation, and no cookie to list more by
    this.#listedAt = Date.now();
    await this.panel.refresh();
    this.#showAround(this.#session);
  }
}

/** The key has ended, or is none. */
function isRefused({ phase, code }) {
  return phase === Phase.STOPPED && code === 4401;
}

/** Of a message without a word the names of its files. */
function words({ text, files }) {
  return text || files.map(({ name }) => name).join(", ");
}

function ownUrl(id) {
  return settings.ownSessionUrl.replace("SESSION_ID", encodeURIComponent(id));
}

/** Of a session that was begun with another assistant. */
function elsewhere(sessionId, assistant) {
  const template = assistant ? settings.assistantSessionUrl : settings.plainSessionUrl;
  return template.replace("ASSISTANT", assistant).replace("SESSION_ID", encodeURIComponent(sessionId));
}

/** Signing in, and back to where one is. */
function loginUrl() {
  return `${settings.loginUrl}?${new URLSearchParams({ next: location.pathname })}`;
}

new Page().start();

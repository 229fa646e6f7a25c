/**
 * Which session was made for a first word that is not taken yet, over a reload of the tab: it may have arrived there, so it is said
 * there again. Once it is taken the address names the session, and this is forgotten.
 */

import { tabStorage } from "./tab_storage.js";

export class Begun {
  /** `path` of the socket: each assistant's sessions are begun apart. */
  constructor(path) {
    this.key = `chat.begun.${path}`;
  }

  /** {sessionId, resumeToken}; both empty where there is none. */
  get place() {
    try {
      const { sessionId = "", resumeToken = "" } = JSON.parse(tabStorage().getItem(this.key) ?? "{}");
      return { sessionId, resumeToken };
    } catch {
      return { sessionId: "", resumeToken: "" };
    }
  }

  keep({ sessionId, resumeToken }) {
    try {
      tabStorage().setItem(this.key, JSON.stringify({ sessionId, resumeToken }));
    } catch {
      // full: then a reload begins anew
    }
  }

  forget() {
    tabStorage().removeItem(this.key);
  }
}

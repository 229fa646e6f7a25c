/** A client of one session: says things in it and is told what happens. What it is told: see `connection.js`. */

import { Connection } from "./connection.js";
import { UploadError, filesUrl, uploadFile } from "./files.js";
import { approvalResponse, feedback, newId, responseCreate, sessionUpdate, userMessage, versionChoice } from "./messages.js";

/**
 * What is sent by `send`, `ask`, `retry`, `approve` and `feedback` arrives once: it is kept until the server has taken it, and
 * sent again after a cut. What `stop` says counts now or not at all.
 */
export class RealtimeClient extends Connection {
  /**
   * @param {string | URL} url of the socket, such as `wss://chat.example.com/v1/realtime`
   * @param {object} [options]
   * @param {string} [options.sessionId] of a session that exists; its last page is told first. None: a new one
   * @param {string} [options.resumeToken] opens it to whoever has no name there
   * @param {string} [options.lastEventId] where to go on; these three are what `place` gives
   * @param {string | (() => string | Promise<string>)} [options.key] a key or token, or what fetches a fresh one for each
   *   attempt; none: a page's cookies, or a guest
   * @param {string} [options.model] that answers in a new session, of those that the server offers
   * @param {string | (() => string)} [options.csrfToken] of a page of the server's own, for what goes over HTTP by its cookies
   * @param {typeof WebSocket} [options.WebSocket] where the runtime has none of its own
   * @param {import("./outbox.js").Outbox} [options.outbox] where it is kept what has to arrive
   * @param {() => number} [options.now] a clock, in milliseconds
   */
  constructor(url, options = {}) {
    super(url, options);
  }

  /**
   * Say something and ask for an answer.
   * @param {string | object[]} content a text, or parts of content; `filePart` makes one of a file
   * @param {string} [itemId] of what was said before: it is sent once more, and taken once
   * @param {string} [replaces] the user's message in whose place it stands: the conversation goes on from there
   * @returns {string} the id of the item that it becomes
   */
  send(content, itemId = newId("item"), replaces = "") {
    this.deliver(userMessage(content, itemId, replaces), responseCreate());
    return itemId;
  }

  /**
   * Send a picture or a file ahead of the message that is going to name it: `send([filePart(await upload(file))])`.
   * @param {Blob} file
   * @param {{onProgress?: (share: number) => void, signal?: AbortSignal, name?: string}} [options]
   * @returns {Promise<object>} `{id, name, media_type, bytes, width, height, pages, url}`; rejects with an `UploadError`
   */
  async upload(file, options = {}) {
    return uploadFile(filesUrl(this.url), file, { ...options, headers: await this.httpHeaders() });
  }

  /** An address of a file that an `<img>` can show, for some minutes where one comes by a key. */
  async fileUrl(fileId) {
    const headers = await this.httpHeaders();
    if (!headers.Authorization) return filesUrl(this.url, `/${fileId}`);
    const response = await fetch(filesUrl(this.url, `/${fileId}/link`), { headers });
    const body = await response.json();
    if (!response.ok) throw new UploadError(body.error);
    return new URL(body.url, filesUrl(this.url)).href;
  }

  /** Throw a file away that is in no message yet; left alone it goes after a day. */
  async discard(fileId) {
    await fetch(filesUrl(this.url, `/${fileId}`), { method: "DELETE", headers: await this.httpHeaders() });
  }

  /** Ask for an answer to what was said. */
  ask() {
    this.deliver(responseCreate());
  }

  /** Have a response given once more: the last one, in the place of a try that failed, or as another version. */
  retry(responseId) {
    this.deliver(responseCreate(responseId));
  }

  /**
   * Go on from another version of a message, or of an answer, now or not at all.
   * @param {string} itemId of it
   * @returns {string} the id of the event, by which an `error` names it; "": there is no connection
   */
  choose(itemId) {
    const event = versionChoice(itemId);
    return this.sendNow(event) ? event.event_id : "";
  }

  /**
   * Have another model of those that the server offers answer from now on; now or not at all.
   * @returns {string} the id of the event, by which an `error` names it; "": there is no connection
   */
  useModel(model) {
    const event = sessionUpdate({ model });
    return this.sendNow(event) ? event.event_id : "";
  }

  /** Stop the response that is being given, or that one, or take it out of the queue. False: there is no connection, or nothing to stop. */
  stop(responseId = this.answering) {
    if (!responseId) return false;
    return this.sendNow({ type: "response.cancel", event_id: newId("event"), response_id: responseId });
  }

  /** Say yes, or no, to a tool call that waits for it (`mcp_approval_request`). */
  approve(requestId, yes = true) {
    this.deliver(approvalResponse(requestId, yes));
  }

  /**
   * Say what the user thinks of an answer.
   * @param {{rating: "up" | "down" | "none", reason?: string, comment?: string}} word
   * @returns {string} the id of the event, by which `refused` names it
   */
  feedback(itemId, word) {
    const event = feedback(itemId, word);
    this.deliver(event);
    return event.event_id;
  }
}

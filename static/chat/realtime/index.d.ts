/** The public names of the client module; `client.js` tells what each of them does. */

/** A server event, as docs/protocol.md lists them. */
export interface ServerEvent {
  type: string;
  event_id: string;
  [field: string]: any;
}

export interface ClientEvent {
  type: string;
  event_id: string;
  [field: string]: any;
}

export const Phase: Readonly<{
  READY: "ready";
  CONNECTING: "connecting";
  ONLINE: "online";
  RECONNECTING: "reconnecting";
  OFFLINE: "offline";
  ENDED: "ended";
  STOPPED: "stopped";
}>;
export type PhaseName = (typeof Phase)[keyof typeof Phase];

/** `code` and `message` are those of the close that led there. */
export interface State {
  phase: PhaseName;
  code?: number;
  message?: string;
  resumed?: boolean;
}

/** What leads back into a session. */
export interface Place {
  sessionId: string;
  resumeToken: string;
  lastEventId: string;
}

export interface Options extends Partial<Place> {
  /** A key or token, or what fetches a fresh one for each attempt; none: a page's cookies, or a guest. */
  key?: string | (() => string | Promise<string>);
  /** That answers in a new session, of those that the server offers. */
  model?: string;
  /** Of a page of the server's own, for what goes over HTTP by its cookies. */
  csrfToken?: string | (() => string);
  /** Where the runtime has none of its own. */
  WebSocket?: new (url: string, protocols: string[]) => unknown;
  outbox?: Outbox;
  /** A clock, in milliseconds. */
  now?: () => number;
}

/** A text, or parts of content as the Realtime API has them. */
export type Content = string | Array<{ type: string; [field: string]: unknown }>;

/** A file that was sent ahead, as the server keeps it. */
export interface StoredFile {
  id: string;
  name: string;
  media_type: string;
  bytes: number;
  width: number | null;
  height: number | null;
  pages: number | null;
  url: string;
}

export interface UploadOptions {
  /** From 0 to 1. */
  onProgress?: (share: number) => void;
  signal?: AbortSignal;
  /** What it is called, where it has no name of its own. */
  name?: string;
}

/** Why a file was not taken; docs/files.md lists the codes. */
export class UploadError extends Error {
  constructor(error: { code: string; message: string });
  readonly code: string;
}

/** The part of a message by which a file goes along. */
export function filePart(file: StoredFile): { type: string; [field: string]: unknown };

export interface Word {
  rating: "up" | "down" | "none";
  reason?: string;
  comment?: string;
}

export interface Refusal {
  sent: ClientEvent;
  error: { code: string; message: string; x_retryable?: boolean };
}

/** A server event is told as `frame`, and under its own type as well. */
export interface Events {
  state: CustomEvent<State>;
  frame: CustomEvent<ServerEvent>;
  refused: CustomEvent<Refusal>;
  caughtup: CustomEvent<State>;
}

export class RealtimeClient extends EventTarget {
  constructor(url: string | URL, options?: Options);
  readonly sessionId: string;
  /** By which the next attempt comes in. */
  set key(key: Options["key"]);
  readonly place: Place;
  readonly state: State;
  /** The id of the response that is being given, or "". */
  readonly answering: string;
  readonly hasEarlier: boolean;
  /** Of a session that is made; one that exists keeps its own. */
  set model(model: string);
  /** Nothing was said yet: there is no connection, and none is wanted. */
  readonly isStandingBy: boolean;
  connect(): void;
  /** Connect with the first thing that is delivered: who only looks makes no session. */
  standBy(): void;
  /** Drop the connection, if any, and connect at once. */
  resume(): void;
  close(): void;
  /** Say something and ask for an answer; the id of the item that it becomes. */
  send(content: Content, itemId?: string, replaces?: string): string;
  /** Send a picture or a file ahead of the message that names it (`filePart`); rejects with an `UploadError`. */
  upload(file: Blob, options?: UploadOptions): Promise<StoredFile>;
  /** An address of a file that an `<img>` can show, for some minutes where one comes by a key. */
  fileUrl(fileId: string): Promise<string>;
  /** Throw a file away that is in no message yet. */
  discard(fileId: string): Promise<void>;
  /** By which a call over HTTP comes in. */
  httpHeaders(): Promise<Record<string, string>>;
  readonly url: string | URL;
  /** Ask for an answer to what was said. */
  ask(): void;
  /** False: there is no connection, or nothing to stop. */
  stop(responseId?: string): boolean;
  /** Have the last response given once more: in the place of a try that failed, or as another version. */
  retry(responseId: string): void;
  /** Go on from another version, by an item of it; the id of the event, or "" without a connection. */
  choose(itemId: string): string;
  /** Have another model answer from now on; the id of the event, or "" without a connection. */
  useModel(model: string): string;
  /** Answer an `mcp_approval_request`. */
  approve(requestId: string, yes?: boolean): void;
  /** The id of the event, by which `refused` names it. */
  feedback(itemId: string, word: Word): string;
  /** The events of the page before what was told; none: there is nothing, or no connection. A session that has ended is connected to again. */
  earlier(): Promise<ServerEvent[]>;
  /** Any client event of the protocol that has an acknowledgement: kept and sent until the server has taken it. */
  deliver(...events: ClientEvent[]): void;
  /** Any client event of the protocol, now or not at all. */
  sendNow(event: ClientEvent): boolean;
  /** Go on in a new session. */
  startAnew(): void;
  addEventListener<Type extends keyof Events>(
    type: Type,
    listener: (event: Events[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: (event: CustomEvent<ServerEvent>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** What has to arrive: kept until the server has taken it, in `storage` over a reload as well. */
export class Outbox {
  constructor(storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null);
  readonly events: ClientEvent[];
}

/** What was said; `transcript.js` tells its shape. */
export interface Transcript {
  sessionId: string;
  active: string | null;
  entries: any[];
  [field: string]: any;
}

export function emptyTranscript(): Transcript;
export function reduce(state: Transcript, events: ServerEvent[]): Transcript;
/** The state with an earlier page before it. */
export function prepend(state: Transcript, events: ServerEvent[]): Transcript;
/** `prefix_` and 96 random bits. */
export function newId(prefix: string): string;
/** The entries to show, and of those that have other versions: which one it is, and how each is chosen. */
export function chosenPath(entries: any[]): {
  entries: any[];
  versions: Map<string, { index: number; all: Array<{ id: string; itemId: string }> }>;
};
export function userMessage(content: Content, itemId?: string, replaces?: string): ClientEvent & { item: { id: string } };

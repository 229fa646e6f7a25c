/**
 * What was said, as a pure function of the server's events.
 *
 * `reduce(state, events)` gives a new state and leaves the old one alone; entries that did not change are the same
 * objects, so that a view can skip them. A repeated event changes nothing: sequenced ones are known by their place,
 * all others by the ids of their items and responses.
 *
 * state: { sessionId, model, notice, place, entries: [entry], homes: Map(id of an item or response -> its entry's id),
 *          active: id of the response that runs, or null,
 *          person: by what name the person is shown who has taken the conversation over, or "",
 *          loose: the events about what was said before all this }
 * entry: { kind: "message", id, role: "user" | "system", text, state: "pending" | "sent" | "refused", at, author, problem,
 *          stepped: "took_over" | "handed_back" | "": staff stepped in, or out, person: who, as the page is told,
 *          replaces: id of the message in whose place it stands, or "",
 *          files: [{id, name, media_type, bytes, width, height}] that go with it }
 *      | { kind: "response", id, place, status, items: [item], at, message, reason, retryable, usage, timings, model,
 *          answers: ids of the messages that it answers,
 *          retryOf: id of the response that it is another try of, or "", retried: true where there is one of it,
 *          retryAfterS: seconds or null, failedModels: [model that was asked before and failed],
 *          person: who gives it, or is going to, or "" for a model,
 *          position: its place among those that wait, from 1, while its status is "queued" }
 *      | { kind: "choice", id, place, version, insteadOf }: from here on another version counts (`versions.js`)
 * item:  { kind: "text", id, place, text, status: "streaming" | "completed" | "incomplete", marks,
 *          feedback: {rating, reason, comment}, the user's last word on it }
 *      | { kind: "tool", id, place, name, arguments, output, problem, at, durationMs, client, callId,
 *          approvalId: id of the approval that it had to wait for, or "",
 *          status: "running" | "completed" | "failed" | "unknown" }
 *      | { kind: "approval", id, place, name, arguments, asks: the question as a sentence, or "", by,
 *          approved: true | false | null, pending: how many more people have to say yes, after a first one did,
 *          agreed: true once this user has said yes,
 *          deciding: true while the user's answer is on its way }
 *
 * Beside the server's events there are `local.message` {item, at}, `local.refused` {item_id, message, retryable},
 * `local.dropped` {item_id} of one that was refused, `local.decision` {approval_id, deciding} and `local.feedback`, as the server's `x_feedback.given`.
 */

import { Draft } from "./draft.js";
import { filesOf } from "./files.js";
import { START, isAfter, parsePlace } from "./place.js";

export function emptyTranscript() {
  return {
    sessionId: "",
    model: "",
    notice: "",
    place: START,
    entries: [],
    homes: new Map(),
    active: null,
    person: "",
    loose: [],
  };
}

export function reduce(state, events) {
  const draft = new Draft(state);
  for (const event of events) apply(draft, event);
  return draft.finish();
}

/** The state with what was said before it: the events of an earlier page. */
export function prepend(state, events) {
  const { entries, homes, loose } = reduce({ ...emptyTranscript(), sessionId: state.sessionId }, events);
  const draft = new Draft({ ...state, loose: [] });
  const later = new Map(state.entries.map((entry) => [entry.id, entry]));
  const earlier = new Map(entries.map((entry) => [entry.id, entry]));
  const staysBelow = (entry) => Boolean(entry?.person) && entry.status !== "queued"; // see `begin`
  draft.replace(
    withTries([
      ...entries
        .filter(({ id }) => !staysBelow(later.get(id)))
        .map((entry) => begunHere(entry, later.get(entry.id))),
      ...state.entries
        .filter((entry) => !homes.has(entry.id) || staysBelow(entry))
        .map((entry) => (earlier.has(entry.id) ? begunHere(earlier.get(entry.id), entry) : entry)),
    ]),
  );
  for (const event of [...loose, ...state.loose]) HANDLERS[event.type](draft, event);
  return draft.finish();
}

/** A response that waited there for its turn, and had it later. */
function begunHere(entry, later) {
  return later ? { ...later, place: entry.place, position: entry.position } : entry;
}

function withTries(entries) {
  const triedAgain = new Set(entries.map((entry) => entry.retryOf));
  return entries.map((entry) => (failedAndTriedAgain(entry, triedAgain) && !entry.retried ? { ...entry, retried: true } : entry));
}

/** Of one that completed, the other is a version. */
function failedAndTriedAgain({ id, status }, triedAgain) {
  return triedAgain.has(id) && status !== "completed";
}

/** It is about something that is not here, or not yet. */
function setAside(draft, event) {
  draft.state.loose = [...draft.state.loose, event];
}

function apply(draft, event) {
  draft.place = parsePlace(draft.state.sessionId, event.event_id);
  if (draft.place) {
    if (!isAfter(draft.place, draft.state.place)) return;
    draft.state.place = draft.place;
  }
  HANDLERS[event.type]?.(draft, event);
}

const HANDLERS = {
  "session.created"(draft, { session, x_stream: stream, x_notice: notice }) {
    if (draft.state.sessionId && draft.state.sessionId !== session.id) forget(draft);
    Object.assign(draft.state, { sessionId: session.id, model: session.model, notice: notice ?? "" });
    const place = stream?.truncated_to && parsePlace(session.id, stream.truncated_to);
    if (place) truncate(draft, place);
  },
  "session.updated"(draft, { session }) {
    draft.state.model = session.model;
  },
  "local.message"(draft, { item, at }) {
    if (!draft.has(item.id)) draft.add(messageEntry(item, { state: "pending", at }));
    else Object.assign(draft.entry(item.id), { state: "pending", problem: null });
  },
  "local.decision"(draft, { approval_id, deciding }) {
    const request = draft.item(approval_id);
    if (request) request.deciding = deciding;
  },
  "local.refused"(draft, { item_id, message, retryable }) {
    const entry = draft.entry(item_id);
    if (entry?.state === "pending")
      Object.assign(entry, { state: "refused", problem: { message, retryable } });
  },
  "local.dropped"(draft, { item_id }) {
    if (draft.entry(item_id)?.state === "refused") draft.replace(draft.state.entries.filter(({ id }) => id !== item_id));
  },
  "conversation.item.added"(draft, { item }) {
    if (item.type === "message" && item.role !== "assistant" && !draft.has(item.id)) {
      draft.add(messageEntry(item, { state: "pending", at: item.x_created_at }));
    }
  },
  "conversation.item.done"(draft, event) {
    const { item } = event;
    if (item.x_operator) stepped(draft, item);
    else if (item.type === "message" && item.role !== "assistant") committed(draft, item);
    else if (TOLD.includes(item.type) && !draft.has(item.id)) told(draft, item);
    else if (item.type === "function_call_output") answered(draft, item) || setAside(draft, event);
    else if (item.type === "mcp_approval_request") approvalAsked(draft, item);
    else if (item.type === "mcp_approval_response") approvalGiven(draft, item) || setAside(draft, event);
  },
  "conversation.item.deleted"(draft, event) {
    const entry = draft.entry(event.item_id);
    if (!entry) setAside(draft, event);
    else if (entry.kind === "message") entry.removed = true;
  },
  "x_version.chosen"(draft, { event_id: id, version, instead_of: insteadOf }) {
    if (!draft.has(id)) draft.add({ kind: "choice", id, place: draft.place, version, insteadOf });
  },
  "x_feedback.given": rated,
  "local.feedback": rated,
  "response.created"(draft, { response }) {
    if (isAside(response)) return;
    if (!draft.has(response.id)) addResponse(draft, response);
    const entry = draft.entry(response.id);
    if (response.x_queued) {
      const { person } = draft.state;
      Object.assign(entry, { status: "queued", position: response.x_queued.position, person });
    } else begin(draft, entry, response);
  },
  "response.output_item.added"(draft, { response_id, item }) {
    openItem(draft, response_id, item);
  },
  "response.output_text.delta"(draft, { item_id, delta }) {
    const item = draft.item(item_id);
    if (item?.status !== "streaming") return;
    item.text += delta;
    if (draft.place) item.marks.push([draft.place, item.text.length]);
  },
  "response.output_text.done"(draft, { item_id, text, x_text_chars: leftOut }) {
    const item = draft.item(item_id);
    if (item && !leftOut) item.text = text;
  },
  "response.function_call_arguments.done": setArguments,
  "response.mcp_call_arguments.done": setArguments,
  "response.output_item.done"(draft, { response_id, item }) {
    closeItem(draft, openItem(draft, response_id, item), item);
  },
  "response.done"(draft, { response }) {
    if (isAside(response)) return;
    if (!draft.has(response.id)) addResponse(draft, response);
    finishResponse(draft, draft.entry(response.id), response);
    if (draft.state.active === response.id) draft.state.active = null;
  },
};

function rated(draft, event) {
  const { item_id, rating, reason, comment } = event;
  const item = draft.item(item_id);
  if (!item) setAside(draft, event);
  else if (item.kind === "text") item.feedback = { rating, reason, comment };
}

// Messages

function messageEntry(item, { state, at }) {
  const text = item.content.map((part) => part.text ?? "").join("");
  const { id, role, x_author: author = "" } = item;
  const stepped = item.x_operator ?? "";
  const person = item.x_person ?? "";
  const replaces = item.x_replaces ?? "";
  const files = filesOf(item.content);
  const about = { author, files, problem: null, removed: false, stepped, person, replaces };
  return { kind: "message", id, role, text, state, at: at ?? null, ...about };
}

function committed(draft, item) {
  const entry = draft.entry(item.id) ?? draft.add(messageEntry(item, { state: "sent" }));
  Object.assign(entry, { state: "sent", at: item.x_created_at ?? entry.at, problem: null });
}

/** A person has come, or has left: what waits is theirs to answer, or stands below the words that they have left. */
function stepped(draft, item) {
  committed(draft, item);
  const came = item.x_operator === "took_over";
  draft.state.person = came ? item.x_person : "";
  const waiting = draft.state.entries.filter((entry) => entry.status === "queued").map((entry) => entry.id);
  for (const [index, id] of [...waiting.entries()].reverse()) {
    const entry = draft.entry(id);
    entry.person = draft.state.person;
    if (came) continue;
    entry.position = Math.max(1, index); // the first one begins at once
    draft.moveBelow(entry, (other) => other.stepped === "handed_back");
  }
}

// Responses

/** Asked for with `conversation: "none"`: it is no part of what was said. */
function isAside(response) {
  return response.conversation_id === null;
}

/** Its turn has come, at once or after a while. A person answers all that was said until then. */
function begin(draft, entry, response) {
  Object.assign(entry, { status: "in_progress", begunAt: draft.place, model: response.x_model ?? entry.model });
  entry.person = response.x_person ?? "";
  if (entry.person) draft.moveBelow(entry, () => true);
  entry.retryOf ||= response.x_retry_of ?? "";
  markTried(draft, entry);
  draft.state.active = response.id;
}

function addResponse(draft, response) {
  markTried(draft, draft.addAbovePending(responseEntry(response, draft.place)));
}

function markTried(draft, { retryOf }) {
  const first = retryOf && draft.entry(retryOf);
  if (first && first.status !== "completed") first.retried = true;
}

function responseEntry(response, place) {
  return {
    kind: "response",
    id: response.id,
    place,
    status: "in_progress",
    items: [],
    at: null,
    message: "",
    reason: "",
    retryable: false,
    usage: null,
    timings: null,
    model: response.x_model ?? "",
    person: response.x_person ?? "",
    position: 0,
    begunAt: place,
    answers: response.x_input_item_ids ?? [],
    retryOf: response.x_retry_of ?? "",
    retried: false,
    retryAfterS: null,
    failedModels: [],
  };
}

function finishResponse(draft, entry, response) {
  const details = response.status_details;
  Object.assign(entry, {
    status: response.status,
    message: response.x_message ?? details?.error?.message ?? "",
    reason: details?.x_reason ?? details?.reason ?? "",
    retryable: details?.error?.x_retryable ?? response.status !== "completed",
    usage: response.usage ?? null,
    timings: response.x_timings ?? null,
    model: response.x_model ?? entry.model,
    retryAfterS: details?.error?.x_retry_after_s ?? null,
    failedModels: failedModels(response),
  });
  for (const { id } of entry.items) settleItem(draft.item(id));
}

/** Those that were passed over, each once; the model of a failed response is told with it. */
function failedModels({ x_failed_attempts: attempts = [], x_model: model }) {
  return [...new Set(attempts.map((attempt) => attempt.model))].filter((one) => one !== model);
}

/** Nothing is open in a response that is done. */
function settleItem(item) {
  if (item.kind === "tool" && item.status === "running" && !item.client) item.status = "unknown";
  if (item.kind === "text" && item.status === "streaming")
    Object.assign(item, { status: "incomplete", marks: [] });
}

// Items of a response

const ITEM_MAKERS = {
  message: textItem,
  mcp_call: (item, place) => toolItem(item, place, false),
  function_call: (item, place) => toolItem(item, place, true),
  mcp_approval_request: approvalItem,
};

function textItem({ id }, place) {
  return { kind: "text", id, place, text: "", status: "streaming", marks: [], feedback: null };
}

function toolItem(item, place, client) {
  return {
    kind: "tool",
    id: item.id,
    callId: item.call_id ?? "",
    approvalId: item.approval_request_id ?? "",
    place,
    name: item.name,
    arguments: item.arguments,
    output: null,
    problem: null,
    at: item.x_created_at ?? null,
    durationMs: null,
    status: "running",
    client,
  };
}

function approvalItem(item, place) {
  return {
    kind: "approval",
    id: item.id,
    place,
    name: item.name,
    arguments: item.arguments,
    asks: item.x_asks ?? "",
    approved: null,
    deciding: false,
    by: "",
    pending: 0,
    agreed: false,
  };
}

const TOLD = ["message", "function_call"];

/** What a model said, or called, elsewhere: a client put it here, so it is no response's. */
function told(draft, item) {
  const id = `told_${item.id}`;
  draft.add({ ...responseEntry({ id }, draft.place), status: "completed" });
  closeItem(draft, openItem(draft, id, item), item);
}

/** The item, made where it is new; undefined for what this page does not show. */
function openItem(draft, responseId, item) {
  if (draft.has(item.id)) return draft.item(item.id);
  const entry = draft.entry(responseId);
  const make = ITEM_MAKERS[item.type];
  if (!entry || !make) return undefined;
  entry.at ??= item.x_created_at ?? null;
  return draft.addItem(entry, make(item, draft.place));
}

function closeItem(draft, mine, item) {
  if (mine?.kind === "text") closeText(mine, item);
  if (mine?.kind === "tool") closeTool(mine, item);
  const entry = mine && draft.entry(item.id);
  if (entry) entry.at = item.x_created_at ?? entry.at;
}

/** A text that is left out was told by its deltas. */
function closeText(mine, item) {
  const leftOut = item.content?.some((part) => part.x_text_chars);
  if (item.content && !leftOut) mine.text = item.content.map((part) => part.text ?? "").join("");
  mine.status = item.status === "incomplete" ? "incomplete" : "completed";
  mine.marks = [];
}

function closeTool(mine, item) {
  mine.arguments = item.arguments ?? mine.arguments;
  if (mine.client) return;
  mine.output = item.output ?? null;
  mine.problem = item.error?.message ?? null;
  mine.durationMs = item.x_duration_ms ?? null;
  mine.status = item.x_outcome === "unknown" ? "unknown" : item.error ? "failed" : "completed";
}

function setArguments(draft, event) {
  const item = draft.item(event.item_id);
  if (item) item.arguments = event.arguments;
}

/** False: there is no such call. */
function answered(draft, { call_id, output }) {
  let found = false;
  for (const entry of draft.state.entries) {
    const call = entry.items?.find((item) => item.client && item.callId === call_id);
    if (call) Object.assign(draft.item(call.id), { output, status: "completed" });
    found ||= Boolean(call);
  }
  return found;
}

function approvalAsked(draft, item) {
  if (!draft.has(item.id) && draft.state.active) openItem(draft, draft.state.active, item);
}

/** False: there is no such request. */
function approvalGiven(draft, item) {
  const request = draft.item(item.approval_request_id);
  const pending = item.x_pending ?? 0;
  const approved = pending ? null : item.approve;
  if (!request) return false;
  const by = item.x_author ?? "";
  const agreed = request.agreed || (pending > 0 && by === "client");
  Object.assign(request, { approved, pending, by, agreed, deciding: false });
  return true;
}

// Going back

/** Another session than before: only what waits to be sent stays. */
function forget(draft) {
  draft.replace(draft.state.entries.filter((entry) => entry.state === "pending"));
  Object.assign(draft.state, { active: null, place: START, person: "", loose: [] });
}

/** Drop what came after a place: the server lost it before it was committed. What waits to be sent stays. */
function truncate(draft, place) {
  const kept = (one) => !one.place || !isAfter(one.place, place);
  const left = draft.state.entries.filter(kept);
  const triedAgain = new Set(left.map((entry) => entry.retryOf));
  const entries = left.map((entry) => {
    if (!entry.items) return entry;
    const items = entry.items.filter(kept).map((item) => cutText(item, place));
    const waits = entry.position > 0 && isAfter(entry.begunAt ?? place, place);
    return {
      ...entry,
      items,
      retried: failedAndTriedAgain(entry, triedAgain),
      status: waits ? "queued" : entry.status,
    };
  });
  draft.replace(entries);
  draft.state.place = place;
  if (!draft.has(draft.state.active)) draft.state.active = null;
}

function cutText(item, place) {
  if (!item.marks?.length) return item;
  const marks = item.marks.filter(([at]) => !isAfter(at, place));
  return { ...item, marks, text: item.text.slice(0, marks.at(-1)?.[1] ?? 0) };
}

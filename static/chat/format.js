/** Numbers, times and names as people read them. */

import { gettext, locale, ngettext } from "./words.js";

const clock = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(locale, { month: "short", day: "numeric" });
const count = new Intl.NumberFormat(locale);

export function clockTime(iso) {
  return iso ? clock.format(new Date(iso)) : "";
}

export function fullTime(iso) {
  return iso ? dayAndClock.format(new Date(iso)) : "";
}

/** The time of day for today, else the date. */
export function shortTime(iso, now = new Date()) {
  const at = new Date(iso);
  return at.toDateString() === now.toDateString() ? clock.format(at) : day.format(at);
}

/** Which of a list's sections a time belongs to. */
export function ageGroup(iso, now = new Date()) {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const days = Math.ceil((midnight - new Date(iso)) / 86_400_000);
  if (days <= 0) return gettext("Today");
  if (days === 1) return gettext("Yesterday");
  return days <= 7 ? gettext("Last 7 days") : gettext("Older");
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1) return gettext("<1 ms");
  if (ms < 1000) return gettext("{ms} ms", { ms: Math.round(ms) });
  return ms < 60_000
    ? gettext("{s} s", { s: (ms / 1000).toFixed(1) })
    : gettext("{min} min {s} s", { min: Math.floor(ms / 60_000), s: Math.round((ms % 60_000) / 1000) });
}

/** A time to wait, rounded up: "41 seconds", "3 minutes". */
export function waiting(seconds) {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 120) return ngettext("a second", "{n} seconds", whole);
  return ngettext("a minute", "{n} minutes", Math.ceil(whole / 60));
}

/** "1,204 tokens"; empty where the vendor counted nothing. */
export function tokens(usage) {
  return usage ? ngettext("{n} token", "{n} tokens", usage.total_tokens) : "";
}

/** "1,100 in, 104 out" */
export function tokenParts(usage) {
  if (!usage) return "";
  return gettext("{input} in, {output} out", {
    input: count.format(usage.input_tokens),
    output: count.format(usage.output_tokens),
  });
}

/** "48 kB", "2.3 MB" */
export function fileSize(bytes) {
  const [unit, amount] = bytes < 1e6 ? ["kilobyte", Math.max(1, bytes / 1e3)] : ["megabyte", bytes / 1e6];
  const digits = unit === "megabyte" ? 1 : 0;
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: digits }).format(amount);
}

/** Those that ship with the server. */
const OWN_TOOLS = {
  get_time: gettext("Get time"),
  calculate: gettext("Calculate"),
  get_my_profile: gettext("Get my profile"),
  get_user_data: gettext("Get user data"),
  get_session_analytics: gettext("Get session analytics"),
  search_my_sessions: gettext("Search my sessions"),
};

const speaksEnglish = (locale ?? "en").startsWith("en");

/** `get_order_status` as "Get order status"; where the page speaks another language than such names, what it is. */
export function toolTitle(name) {
  if (Object.hasOwn(OWN_TOOLS, name)) return OWN_TOOLS[name];
  if (!speaksEnglish) return gettext("A tool");
  const words = name.replace(/[_-]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : gettext("Tool");
}

const GIST_CHARS = 60;

/** What a tool was asked, in a few words: the short values of its arguments. */
export function gist(json) {
  let given;
  try {
    given = Object.values(JSON.parse(json));
  } catch {
    return ""; // it is being written
  }
  const short = given.filter((value) => ["string", "number"].includes(typeof value)).map((value) => String(value).trim());
  const text = short.filter((value) => value && value.length <= GIST_CHARS).join(" · ");
  return text.length > GIST_CHARS ? `${text.slice(0, GIST_CHARS - 1).trimEnd()}…` : text;
}

/** JSON text laid out to be read; any other text as it is. */
export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

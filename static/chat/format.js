/** Numbers, times and names as people read them. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const count = new Intl.NumberFormat();

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
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days <= 7 ? "Last 7 days" : "Older";
}

export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000
    ? `${(ms / 1000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

/** A time to wait, rounded up: "41 seconds", "3 minutes". */
export function waiting(seconds) {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 120) return whole === 1 ? "a second" : `${whole} seconds`;
  return `${Math.ceil(whole / 60)} minutes`;
}

/** "1,204 tokens"; empty where the vendor counted nothing. */
export function tokens(usage) {
  return usage ? `${count.format(usage.total_tokens)} tokens` : "";
}

/** "1,100 in, 104 out" */
export function tokenParts(usage) {
  return usage ? `${count.format(usage.input_tokens)} in, ${count.format(usage.output_tokens)} out` : "";
}

/** `get_user_profile` as "Get user profile". */
export function toolTitle(name) {
  const words = name.replace(/[_-]+/g, " ").trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "Tool";
}

/** JSON text laid out to be read; any other text as it is. */
export function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

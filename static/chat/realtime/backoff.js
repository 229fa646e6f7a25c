/** How long to wait before connecting again. */

const MOST_MS = 15_000;
const FIRST_MS = 500;
/** Where the server asked for patience: the first wait, and the longest. */
const PATIENCE_MS = { 1013: [2_000, MOST_MS], 4429: [10_000, 60_000] };

/** The wait before attempt n (from 0): doubled each time, half of it random, so that clients do not come all at once. */
export function backoffMs(attempt, closeCode, random = Math.random) {
  const [first, most] = PATIENCE_MS[closeCode] ?? [FIRST_MS, MOST_MS];
  const full = Math.min(most, first * 2 ** Math.min(attempt, 10));
  return full / 2 + (full / 2) * random();
}

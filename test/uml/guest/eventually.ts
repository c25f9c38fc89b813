import { setTimeout as delay } from "node:timers/promises";

/**
 * Asks until there are no problems any more; throws with those of the last time if that takes too long. What `problems`
 * throws counts as one: an agent that is starting does not answer.
 */
export async function eventually(
  problems: () => Promise<readonly string[]>,
  timeoutMs = 30_000,
  pauseMs = 100,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const found = await problems().catch((error: unknown) => [String(error)]);
    if (found.length === 0) return;
    if (performance.now() >= end) throw new Error(`still after ${timeoutMs} ms:\n${found.join("\n")}`);
    await delay(pauseMs);
  }
}

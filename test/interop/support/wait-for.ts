import { setTimeout as delay } from "node:timers/promises";
import { patient } from "./patience.ts";

/** As `vi.waitFor` with our patience, for what runs outside of vitest, too: repeats until nothing is thrown. */
export async function waitFor<T>(look: () => T | Promise<T>): Promise<T> {
  const end = performance.now() + patient.timeout;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() >= end) throw error;
    }
    await delay(patient.interval);
  }
}

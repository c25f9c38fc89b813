import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";

/** What ends the parts that were started, run in reverse order of their start. */
export class Cleanups {
  readonly #steps: { readonly part: string; readonly end: () => Promise<void> | void }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  add(part: string, end: () => Promise<void> | void): void {
    this.#steps.push({ part, end });
  }

  /** Never rejects: a part that does not end cleanly is logged and the next one is ended. */
  async run(): Promise<void> {
    for (const { part, end } of this.#steps.splice(0).reverse())
      try {
        await end();
      } catch (error) {
        this.#logger.warn({ part, error: errorMessage(error) }, "a part did not stop cleanly");
      }
  }
}

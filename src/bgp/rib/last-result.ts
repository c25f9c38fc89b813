import type { PathAttributes } from "../packet/attributes.ts";

/**
 * The result for the last input: routes of one UPDATE come one after another, and what is computed twice all the same ends
 * as the same object. Cheaper than any table, which the garbage collector would have to walk.
 */
export class LastResult {
  #attributes: PathAttributes | undefined;
  #detail = 0;
  #result: PathAttributes | undefined;

  /** `compute`'s answer for these attributes and this detail, which is all that it may depend on. */
  get(attributes: PathAttributes, detail: number, compute: () => PathAttributes): PathAttributes {
    if (this.#result === undefined || this.#attributes !== attributes || this.#detail !== detail) {
      this.#result = compute();
      this.#attributes = attributes;
      this.#detail = detail;
    }
    return this.#result;
  }
}

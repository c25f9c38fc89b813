import { inspect } from "node:util";

const hidden = "[secret]";

/**
 * A password that shows itself only to those who ask for it by name: logs, JSON, templates and `console.log` say
 * "[secret]" instead.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The password itself, for the system call that needs it. */
  reveal(): string {
    return this.#text;
  }

  equals(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return hidden;
  }

  toJSON(): string {
    return hidden;
  }

  [inspect.custom](): string {
    return hidden;
  }
}

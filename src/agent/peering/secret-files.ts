import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { Secret } from "../../core/secret.ts";
import type { SecretKeySelector } from "../../resources/secret-reference.ts";
import type { SecretAnswer } from "./transport.ts";

/** How often files that are in use are read again. Some file systems tell of no changes, and Kubernetes exchanges folders. */
const pollMs = 2_000;

/** Names as Kubernetes has them for Secrets and their keys: nothing that leads out of the folder. */
const secretName = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const keyName = /^(?!\.{1,2}$)[-._a-zA-Z0-9]+$/;

interface Entry {
  readonly path: string;
  /** The last one that could be read. */
  secret: Secret | undefined;
  /** Why it can't be read now. */
  problem: string | undefined;
}

/**
 * Passwords in files DIRECTORY/NAME/KEY, which is how Kubernetes mounts Secrets. A file that can't be read any more keeps its
 * last value in force, since a session must not end by an accident with a file.
 */
export class SecretFiles {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #entries = new Map<string, Entry>();
  #listener: () => void = () => {};
  #timer: Timer | undefined;

  constructor(options: { readonly directory: string; readonly clock: Clock; readonly logger: Logger }) {
    this.#directory = options.directory;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Calls the listener whenever the answer for a file that has been asked for is another one. There is one listener. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** The password that a resource refers to. */
  get({ name, key, optional }: SecretKeySelector): SecretAnswer {
    if (name === undefined || !secretName.test(name)) return { problem: `secret name "${name ?? ""}" can't be one` };
    if (!keyName.test(key)) return { problem: `key "${key}" of secret ${name} can't be one` };
    const entry = this.#entry(join(this.#directory, name, key));
    if (entry.secret !== undefined) return { secret: entry.secret };
    if (optional === true || entry.problem === undefined) return { secret: undefined };
    return { problem: `the password of secret ${name}, key ${key}, can't be read: ${entry.problem}` };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #entry(path: string): Entry {
    const known = this.#entries.get(path);
    if (known !== undefined) return known;
    const entry: Entry = { path, secret: undefined, problem: undefined };
    this.#read(entry);
    this.#entries.set(path, entry);
    this.#timer ??= this.#clock.setTimer(pollMs, () => this.#poll());
    return entry;
  }

  #poll(): void {
    let hasChanged = false;
    for (const entry of this.#entries.values()) if (this.#read(entry)) hasChanged = true;
    this.#timer = this.#clock.setTimer(pollMs, () => this.#poll());
    if (hasChanged) this.#listener();
  }

  /** Reads the file; true if the answer for it is another one. */
  #read(entry: Entry): boolean {
    const before = { ...entry };
    try {
      // Editors and `echo` end a file with a line feed that is not meant.
      const text = readFileSync(entry.path, "utf8").replace(/\r?\n$/, "");
      entry.problem = undefined;
      if (entry.secret?.reveal() !== text) entry.secret = new Secret(text);
    } catch (error) {
      entry.problem = errorMessage(error);
      if (before.secret !== undefined && before.problem === undefined)
        this.#logger.warn(
          { path: entry.path, reason: entry.problem },
          "a password's file is gone; its last value stays",
        );
    }
    return entry.secret !== before.secret || (entry.secret === undefined && entry.problem !== before.problem);
  }
}

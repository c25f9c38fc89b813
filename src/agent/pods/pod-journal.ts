import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { IpAddress } from "../../net/address.ts";
import type { PodRecord } from "./pod-record.ts";

const suffix = ".json";

/**
 * The pods of this node on its own disk, a file for each: they outlive a datastore that was put back to an older state and has
 * forgotten them.
 */
export class PodJournal {
  readonly #directory: string;
  readonly #logger: Logger;

  /** The directory is made if it is not there. */
  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** What can be read; the rest is logged. */
  list(): PodRecord[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(suffix))
      .flatMap((name) => {
        const path = join(this.#directory, name);
        try {
          return [parseRecord(readFileSync(path, "utf8"))];
        } catch (error) {
          this.#logger.warn({ path, error: errorMessage(error) }, "a journaled pod can't be read and is left out");
          return [];
        }
      });
  }

  /** On the disk when it returns. */
  write(pod: PodRecord): void {
    const path = this.#pathOf(pod);
    const temporary = `${path}.new`;
    const file = openSync(temporary, "w", 0o600);
    try {
      writeSync(file, `${JSON.stringify({ ...pod, addresses: pod.addresses.map(String) })}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  }

  remove(pod: Pick<PodRecord, "namespace" | "name">): void {
    rmSync(this.#pathOf(pod), { force: true });
  }

  #pathOf({ namespace, name }: Pick<PodRecord, "namespace" | "name">): string {
    return join(this.#directory, `${encodeURIComponent(`${namespace}/${name}`)}${suffix}`);
  }
}

function parseRecord(text: string): PodRecord {
  const fields = JSON.parse(text) as Record<string, unknown>;
  const required = (field: string): string => {
    const value = fields[field];
    if (typeof value !== "string") throw new TypeError(`${field} is no text`);
    return value;
  };
  const optional = (field: string): string | undefined => (fields[field] === undefined ? undefined : required(field));
  if (!Array.isArray(fields.addresses)) throw new TypeError("addresses is no list");
  return {
    namespace: required("namespace"),
    name: required("name"),
    containerId: required("containerId"),
    addresses: fields.addresses.map((address) => IpAddress.parse(String(address))),
    hostInterface: required("hostInterface"),
    macAddress: optional("macAddress"),
    namespacePath: optional("namespacePath"),
  };
}

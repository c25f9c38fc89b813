import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import type { Clock, Timer } from "../../core/clock.ts";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { DatastoreError } from "../../datastore/errors.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import type { Ipam } from "../../ipam/ipam.ts";

const RETRY_MS = 5_000;

/** What a pod that is gone still has in the datastore. */
interface PodRelease {
  readonly namespace: string;
  readonly name: string;
  readonly handleId: string;
  /** Name of its WorkloadEndpoint; null if it cannot have one. */
  readonly endpoint: string | null;
}

interface PodReleasesOptions {
  readonly ipam: Pick<Ipam, "releaseByHandle">;
  readonly client: Pick<ResourceClient, "delete">;
  /** File of what could not be given back yet. */
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Gives back what removed pods have in the datastore: their addresses, then their record. While the datastore can't be
 * written, a pod is removed all the same; what is owed is written to a file and made good later, also by a next run.
 */
export class PodReleases {
  readonly #options: PodReleasesOptions;
  readonly #owed = new Map<string, PodRelease>();
  #retry: Timer | undefined;
  #stopped = false;
  /** The last attempt; the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PodReleasesOptions) {
    this.#options = options;
    for (const release of this.#read()) this.#owed.set(keyOf(release), release);
    if (this.#owed.size > 0) this.#retryLater();
  }

  /** The pod is removed, though it still has a record. */
  isOwed(pod: Pick<PodRelease, "namespace" | "name">): boolean {
    return this.#owed.has(keyOf(pod));
  }

  /** Gives back now, or later if the datastore can't be written. Throws what else may go wrong. */
  async release(release: PodRelease): Promise<void> {
    try {
      await this.#giveBack(release);
    } catch (error) {
      if (!(error instanceof DatastoreError) || error.code === "CLOSED") throw error;
      this.#options.logger.warn(
        { pod: keyOf(release), error: error.message },
        "the datastore can't be written; what a removed pod has there is given back later",
      );
      this.#owed.set(keyOf(release), release);
      this.#write();
      this.#retryLater();
    }
  }

  /** Before a pod of this name is made: what the last one owes is given back. Throws if it can't be. */
  async settle(pod: Pick<PodRelease, "namespace" | "name">): Promise<void> {
    const owed = this.#owed.get(keyOf(pod));
    if (owed !== undefined) await this.#giveBack(owed);
  }

  /** Tries again, at once: the datastore is there. */
  async retry(): Promise<void> {
    this.#retry?.cancel();
    this.#retry = undefined;
    for (const release of [...this.#owed.values()])
      try {
        await this.#giveBack(release);
      } catch (error) {
        this.#options.logger.debug({ pod: keyOf(release), error: errorMessage(error) }, "still not given back");
      }
    if (this.#owed.size > 0) this.#retryLater();
  }

  /** What is owed stays in the file. */
  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
  }

  async #giveBack(release: PodRelease): Promise<void> {
    const { ipam, client } = this.#options;
    const { namespace, handleId, endpoint } = release;
    const attempt = this.#last.then(async () => {
      await ipam.releaseByHandle(handleId);
      if (endpoint !== null) await ignoreMissing(client.delete("WorkloadEndpoint", endpoint, { namespace }));
      if (this.#owed.get(keyOf(release))?.handleId === handleId && this.#owed.delete(keyOf(release))) this.#write();
    });
    this.#last = attempt.catch(() => undefined);
    await attempt;
  }

  #retryLater(): void {
    if (this.#stopped) return;
    this.#retry ??= this.#options.clock.setTimer(RETRY_MS, () => void this.retry());
  }

  #read(): readonly PodRelease[] {
    const { path, logger } = this.#options;
    try {
      return (JSON.parse(readFileSync(path, "utf8")) as unknown[]).filter(isPodRelease);
    } catch (error) {
      const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!missing) logger.warn({ file: path, error: errorMessage(error) }, "what removed pods owe can't be read");
      return [];
    }
  }

  /** Beside the file and renamed, so that a crash leaves the one or the other. */
  #write(): void {
    const { path } = this.#options;
    const file = openSync(`${path}.new`, "w", 0o600);
    try {
      writeSync(file, `${JSON.stringify([...this.#owed.values()])}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
  }
}

function keyOf({ namespace, name }: Pick<PodRelease, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

function isPodRelease(value: unknown): value is PodRelease {
  if (typeof value !== "object" || value === null) return false;
  const { namespace, name, handleId, endpoint } = value as Readonly<Record<string, unknown>>;
  const texts = [namespace, name, handleId].every((text) => typeof text === "string");
  return texts && (endpoint === null || typeof endpoint === "string");
}

async function ignoreMissing(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!(error instanceof CalibirdError && error.code === "RESOURCE_NOT_FOUND")) throw error;
  }
}

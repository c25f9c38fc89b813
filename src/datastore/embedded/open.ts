import { accessSync, constants, mkdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Clock, systemClock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import { type Logger, silentLogger } from "../../core/logger.ts";
import type { DescribedDatastore } from "../datastore.ts";
import { DatastoreError } from "../errors.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { type CompactionLimits, EmbeddedDatastore } from "./embedded-datastore.ts";
import { Journal } from "./journal.ts";

export interface EmbeddedOptions {
  /** The directory of the store, made if it is not there. On a local file system: flock(2) and renames must be real. */
  readonly path: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Numbers in [0, 1); spreads the retries of processes that wait for the lock. */
  readonly random?: () => number;
  /** Names the current boot of the machine; read from the kernel by default. */
  readonly bootId?: string;
  /** By default 8 MiB and 10,000 revisions. */
  readonly compaction?: Partial<CompactionLimits>;
}

const DEFAULT_LIMITS: CompactionLimits = { journalBytes: 8 * 1024 * 1024, historyRevisions: 10_000 };

/** f_type of statfs(2) for file systems whose locks or renames other machines take part in. */
const NETWORK_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
]);

/**
 * Opens the store in a directory, which any number of processes of this machine may share. Throws `INVALID_PATH` for a
 * directory that can't be used and `CORRUPT_JOURNAL` for a damaged one.
 */
export async function openEmbeddedDatastore(options: EmbeddedOptions): Promise<DescribedDatastore> {
  const directory = options.path;
  prepareDirectory(directory);
  const logger = (options.logger ?? silentLogger).child({ part: "datastore", path: directory });
  const lock = new DirectoryLock(join(directory, "lock"), options.random ?? Math.random);
  try {
    await lock.acquire();
    const journal = await Journal.open(directory);
    lock.release();
    return new EmbeddedDatastore({
      directory,
      journal,
      lock,
      logger,
      clock: options.clock ?? systemClock,
      bootId: options.bootId ?? readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
      limits: { ...DEFAULT_LIMITS, ...options.compaction },
    });
  } catch (error) {
    lock.close();
    if (error instanceof DatastoreError) throw error;
    throw invalidPath(directory, errorMessage(error), error);
  }
}

function prepareDirectory(directory: string): void {
  if (directory === "") throw invalidPath(directory, "it is empty");
  try {
    makeDirectory(directory);
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw invalidPath(directory, errorMessage(error), error);
  }
  const network = NETWORK_FILE_SYSTEMS.get(statfsSync(directory).type);
  if (network !== undefined)
    throw invalidPath(directory, `it is on ${network}, where the locks of several processes can't be trusted`);
}

/**
 * Makes the directory and its parents. Node's own recursive mkdir spins for ever where a directory exists and yet takes
 * no entries, as in /proc.
 */
function makeDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectory(parent);
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process may have been faster.
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

function invalidPath(path: string, reason: string, cause?: unknown): DatastoreError {
  const message = `datastore path "${path}" can't be used: ${reason}; name a directory that this user may write to`;
  return new DatastoreError("INVALID_PATH", message, { field: "path", value: path }, cause);
}

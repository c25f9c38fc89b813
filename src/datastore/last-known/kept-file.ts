import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { open, rename, utimes } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { KeyValue } from "../datastore.ts";

const FORMAT = "calibird-last-known";
const VERSION = 1;
/** Far above what 5,000 nodes need (about 10 MB); a file beyond it is not for a small disk, nor for a quick start. */
const MAX_BYTES = 64 * 1024 * 1024;

const ITEMS_IN_A_PART = 500;
/** A file that can't be written for a while must not be followed by changes without end. */
const MAX_CHANGES_BYTES = 4 * 1024 * 1024;

/** Whose state a file holds. Another node's, or another cluster's, is of no use. */
export interface KeptIdentity {
  readonly node: string;
  /** How the store was named in the configuration; one in common is enough, for members come and go. */
  readonly names: readonly string[];
}

/** What a key was made by a transaction of that revision; without an item it was deleted. */
export interface KeptChange {
  readonly key: string;
  readonly revision: bigint;
  readonly item?: KeyValue;
}

export interface KeptContent {
  readonly items: readonly KeyValue[];
  readonly revisions: ReadonlyMap<string, bigint>;
  /** The members that were in use. */
  readonly places: readonly string[];
}

/** What is read back: the content, and what was changed after it was written. */
interface KeptRecord {
  readonly content: KeptContent;
  readonly changes: readonly KeptChange[];
  /** When the content was last known to be true; Unix time in milliseconds. */
  readonly asOfMs: number;
}

interface FileHeader extends KeptIdentity {
  readonly format: string;
  readonly version: number;
  readonly places: readonly string[];
  readonly revisions: Readonly<Record<string, string>>;
}

/**
 * A file with what was known of the store: a line that says what it is, a line for each key, and a checksum. It is written beside
 * itself and renamed; one that is damaged, of another version or of another cluster counts as not there. What the node itself has changed
 * since is in a second file, a line for each change, so that a pod that was made a moment ago is known after a crash.
 */
export class KeptFile {
  readonly #path: string;
  readonly #identity: KeptIdentity;
  readonly #logger: Logger;
  #tooLarge = false;
  #appendFailed = false;

  constructor(options: { readonly path: string; readonly identity: KeptIdentity; readonly logger: Logger }) {
    this.#path = options.path;
    this.#identity = options.identity;
    this.#logger = options.logger;
  }

  /** Undefined if there is nothing that can be used. */
  read(): KeptRecord | undefined {
    try {
      const { size, mtimeMs } = statSync(this.#path);
      if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_BYTES}`);
      const content = this.#decode(readFileSync(this.#path, "utf8"));
      const changes = [this.#olderChanges, this.#changes].flatMap((path) => this.#readChanges(path));
      return { content, changes, asOfMs: mtimeMs };
    } catch (error) {
      const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (!missing)
        this.#logger.warn(
          { file: this.#path, error: errorMessage(error) },
          "what was last known of the datastore can't be used",
        );
      return undefined;
    }
  }

  /** Notes changes before the next `write`. They outlive the process, not the machine, on which no pod would be left either. */
  append(changes: readonly KeptChange[]): void {
    const lines = changes.map(({ key, revision, item }) => {
      const row = item === undefined ? [key, revision.toString()] : rowOf(item);
      return `${JSON.stringify(row)}\n`;
    });
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      const bytes = statSync(this.#changes, { throwIfNoEntry: false })?.size ?? 0;
      if (bytes > MAX_CHANGES_BYTES) throw new Error(`${bytes} bytes wait for the file to be written anew`);
      appendFileSync(this.#changes, lines.join(""), { mode: 0o600 });
      this.#appendFailed = false;
    } catch (error) {
      if (!this.#appendFailed)
        this.#logger.warn({ file: this.#changes, error: errorMessage(error) }, "a change can't be kept on the disk");
      this.#appendFailed = true;
    }
  }

  /** Replaces the file by what `content` says now. Throws what the file system throws. */
  async write(content: () => KeptContent): Promise<void> {
    // The changes until now are in the content; those that come while it is being written are not.
    if (existsSync(this.#changes) && !existsSync(this.#olderChanges)) renameSync(this.#changes, this.#olderChanges);
    const snapshot = content();
    mkdirSync(dirname(this.#path), { recursive: true });
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      const checksum = createHash("sha256");
      let bytes = 0;
      for (const part of encode({ format: FORMAT, version: VERSION, ...this.#identity }, snapshot)) {
        checksum.update(part);
        bytes += Buffer.byteLength(part);
        if (this.#isTooLarge(bytes)) return;
        await file.appendFile(part);
      }
      await file.appendFile(`${checksum.digest("hex")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    this.#tooLarge = false;
    await rename(temporary, this.#path);
    rmSync(this.#olderChanges, { force: true });
  }

  get #changes(): string {
    return `${this.#path}.changes`;
  }

  /** Those from before the content that is being written. */
  get #olderChanges(): string {
    return `${this.#path}.changes.old`;
  }

  /** The last line of a crash may be cut short. */
  #readChanges(path: string): KeptChange[] {
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    return lines.map((line): KeptChange => {
      const row = JSON.parse(line) as ItemRow | readonly [key: string, revision: string];
      if (row.length === 2) return { key: row[0], revision: BigInt(row[1]) };
      const item = itemOf(row);
      return { key: item.key, revision: item.modRevision, item };
    });
  }

  /** Says that the content is still true. */
  async confirm(nowMs: number): Promise<void> {
    await utimes(this.#path, nowMs / 1000, nowMs / 1000);
  }

  #isTooLarge(bytes: number): boolean {
    if (bytes <= MAX_BYTES) return false;
    if (!this.#tooLarge)
      this.#logger.warn(
        { file: this.#path, limit: MAX_BYTES },
        "too much is known of the datastore to keep it on the disk",
      );
    this.#tooLarge = true;
    return true;
  }

  #decode(text: string): KeptContent {
    const lines = text.split("\n");
    const header = JSON.parse(lines[0] ?? "") as Partial<FileHeader>;
    if (header.format !== FORMAT || header.version !== VERSION)
      throw new Error(`it is ${header.format} of version ${header.version}, not ${FORMAT} of version ${VERSION}`);
    const [checksum = "", end] = lines.slice(-2);
    const body = text.slice(0, -checksum.length - 1);
    if (end !== "" || checksum !== createHash("sha256").update(body).digest("hex"))
      throw new Error("it is damaged: its checksum is wrong");
    const { node, names } = this.#identity;
    if (header.node !== node) throw new Error(`it is of the node ${header.node}`);
    const { names: written = [], places = [], revisions = {} } = header;
    if (!names.some((name) => written.includes(name)))
      throw new Error(`it is of the datastore ${written.join(", ")}, not of ${names.join(", ")}`);
    // The checksum vouches for the shape: only `encode` has written it.
    return {
      places,
      revisions: new Map(Object.entries(revisions).map(([prefix, revision]) => [prefix, BigInt(revision)])),
      items: lines.slice(1, -2).map((line) => itemOf(JSON.parse(line) as ItemRow)),
    };
  }
}

type ItemRow = readonly [key: string, value: string, create: string, mod: string, version: string];

/** The lines of the file but the last, in parts that each take a moment, for nothing else goes on meanwhile. */
function* encode(
  identity: Pick<FileHeader, "format" | "version" | "node" | "names">,
  { items, revisions, places }: KeptContent,
): Generator<string> {
  const texts = Object.fromEntries([...revisions].map(([prefix, revision]) => [prefix, revision.toString()]));
  yield `${JSON.stringify({ ...identity, places, revisions: texts } satisfies FileHeader)}\n`;
  for (let first = 0; first < items.length; first += ITEMS_IN_A_PART)
    yield items
      .slice(first, first + ITEMS_IN_A_PART)
      .map((item) => `${JSON.stringify(rowOf(item))}\n`)
      .join("");
}

function rowOf({ key, value, createRevision, modRevision, version }: KeyValue): ItemRow {
  return [key, value, createRevision.toString(), modRevision.toString(), version.toString()];
}

function itemOf([key, value, create, mod, version]: ItemRow): KeyValue {
  return {
    key,
    value,
    createRevision: BigInt(create),
    modRevision: BigInt(mod),
    version: BigInt(version),
  };
}

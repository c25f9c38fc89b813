import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { open, rename, utimes } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { KeyValue } from "../datastore.ts";

const FORMAT = "calibird-last-known";
const VERSION = 1;
/** Far above what 5,000 nodes need (about 10 MB); a file beyond it is not for a small disk, nor for a quick start. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Whose state a file holds. Another node's, or another cluster's, is of no use. */
export interface KeptIdentity {
  readonly node: string;
  /** How the store was named in the configuration; one in common is enough, for members come and go. */
  readonly names: readonly string[];
}

export interface KeptContent {
  readonly items: readonly KeyValue[];
  readonly revisions: ReadonlyMap<string, bigint>;
  /** The members that were in use. */
  readonly places: readonly string[];
}

interface FileHeader extends KeptIdentity {
  readonly format: string;
  readonly version: number;
  readonly sha256: string;
}

/**
 * A file with what was known of the store: one line that says what it is, one with the content. It is written beside itself and
 * renamed; one that is damaged, of another version or of another cluster counts as not there.
 */
export class KeptFile {
  readonly #path: string;
  readonly #identity: KeptIdentity;
  readonly #logger: Logger;
  #tooLarge = false;

  constructor(options: { readonly path: string; readonly identity: KeptIdentity; readonly logger: Logger }) {
    this.#path = options.path;
    this.#identity = options.identity;
    this.#logger = options.logger;
  }

  /** Undefined if there is nothing that can be used. `asOfMs` is when it was last known to be true (Unix time). */
  read(): { readonly content: KeptContent; readonly asOfMs: number } | undefined {
    try {
      const { size, mtimeMs } = statSync(this.#path);
      if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_BYTES}`);
      return { content: this.#decode(readFileSync(this.#path, "utf8")), asOfMs: mtimeMs };
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

  /** Replaces the file. Throws what the file system throws. */
  async write(content: KeptContent): Promise<void> {
    const body = encode(content);
    const sha256 = checksum(body);
    const header: FileHeader = { format: FORMAT, version: VERSION, ...this.#identity, sha256 };
    const text = `${JSON.stringify(header)}\n${body}\n`;
    if (this.#isTooLarge(text)) return;
    mkdirSync(dirname(this.#path), { recursive: true });
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
  }

  /** Says that the content is still true. */
  async confirm(nowMs: number): Promise<void> {
    await utimes(this.#path, nowMs / 1000, nowMs / 1000);
  }

  #isTooLarge(text: string): boolean {
    const bytes = Buffer.byteLength(text);
    const before = this.#tooLarge;
    this.#tooLarge = bytes > MAX_BYTES;
    if (this.#tooLarge && !before)
      this.#logger.warn(
        { file: this.#path, bytes, limit: MAX_BYTES },
        "too much is known of the datastore to keep it on the disk",
      );
    return this.#tooLarge;
  }

  #decode(text: string): KeptContent {
    const end = text.indexOf("\n");
    const header = JSON.parse(text.slice(0, Math.max(end, 0))) as Partial<FileHeader>;
    const body = text.slice(end + 1).replace(/\n$/, "");
    if (header.format !== FORMAT || header.version !== VERSION)
      throw new Error(`it is ${header.format} of version ${header.version}, not ${FORMAT} of version ${VERSION}`);
    if (header.sha256 !== checksum(body)) throw new Error("it is damaged: its checksum is wrong");
    const { node, names } = this.#identity;
    if (header.node !== node) throw new Error(`it is of the node ${header.node}`);
    const { names: written = [] } = header;
    if (!names.some((name) => written.includes(name)))
      throw new Error(`it is of the datastore ${written.join(", ")}, not of ${names.join(", ")}`);
    return decode(body);
  }
}

type ItemRow = readonly [key: string, value: string, create: string, mod: string, version: string];

interface Body {
  readonly places: readonly string[];
  readonly revisions: Readonly<Record<string, string>>;
  readonly items: readonly ItemRow[];
}

function encode({ items, revisions, places }: KeptContent): string {
  const rows = Array.from(
    items,
    ({ key, value, createRevision, modRevision, version }): ItemRow => [
      key,
      value,
      createRevision.toString(),
      modRevision.toString(),
      version.toString(),
    ],
  );
  const texts = Object.fromEntries([...revisions].map(([prefix, revision]) => [prefix, revision.toString()]));
  return JSON.stringify({ places, revisions: texts, items: rows } satisfies Body);
}

/** The checksum vouches for the shape: only `encode` has written it. */
function decode(text: string): KeptContent {
  const { places, revisions, items } = JSON.parse(text) as Body;
  return {
    places,
    revisions: new Map(Object.entries(revisions).map(([prefix, revision]) => [prefix, BigInt(revision)])),
    items: items.map(([key, value, create, mod, version]) => ({
      key,
      value,
      createRevision: BigInt(create),
      modRevision: BigInt(mod),
      version: BigInt(version),
    })),
  };
}

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

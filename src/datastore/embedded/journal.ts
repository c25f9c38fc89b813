import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../../core/errors.ts";
import { DatastoreError } from "../errors.ts";
import { decodeHeader, decodeSnapshot, encodeJournalStart, type JournalHeader } from "./journal-format.ts";
import { decodeLine, readRecord } from "./record.ts";
import { FIRST_REVISION, type Snapshot, StoreState } from "./state.ts";

const NEWLINE = 10;
/** A header line is about 170 bytes long. */
const HEADER_READ_BYTES = 4_096;
const EMPTY: Snapshot = { revision: FIRST_REVISION, items: [], leases: [], nextLease: 1n };

const syncData = promisify(fdatasync);

interface Loaded {
  readonly fd: number;
  readonly header: JournalHeader;
  readonly state: StoreState;
  /** End of the last complete line. */
  readonly end: number;
  /** Size the file had when it was written by a compaction. */
  readonly compactedSize: number;
}

/**
 * One process's view of the journal file: the state that its complete lines describe, kept up to date by reading what
 * was appended since. Reading needs no lock: a line counts from its newline on, lines are never changed, and a renamed-away
 * file gets no more lines. Writing (repairTail, append, compact) needs the lock of the directory.
 */
export class Journal {
  readonly path: string;
  #current: Loaded;
  /** Files that were replaced while a sync of theirs was under way; closed after it. */
  #retired: number[] = [];
  #syncing = 0;
  #end: number;

  private constructor(path: string, loaded: Loaded) {
    this.path = path;
    this.#current = loaded;
    this.#end = loaded.end;
  }

  /** Loads the journal of a directory, and writes an empty one first if there is none. Call it with the lock held. */
  static async open(directory: string): Promise<Journal> {
    const path = join(directory, "journal");
    let fd: number;
    try {
      fd = openSync(path, "r+");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await replaceFile(path, [encodeJournalStart(1, EMPTY, 0)]);
      fd = openSync(path, "r+");
    }
    return new Journal(path, load(path, fd));
  }

  get state(): StoreState {
    return this.#current.state;
  }

  /** Where the next line goes. */
  get end(): number {
    return this.#end;
  }

  /** Size of the snapshot and the lines kept with it: the part that another compaction might not make smaller. */
  get compactedSize(): number {
    return this.#current.compactedSize;
  }

  /**
   * Takes over what other processes appended, and changes to a new journal if one was renamed into place. True if
   * anything changed. Throws `CORRUPT_JOURNAL`; without the lock that may be a glimpse of a tail under repair.
   */
  catchUp(): boolean {
    let changed = false;
    for (;;) {
      const { size, nlink } = fstatSync(this.#current.fd);
      if (size < this.#end) throw corrupt(this.path, size, "the file ends before what was already read from it");
      if (size > this.#end) {
        const before = this.#end;
        replay(this.path, read(this.#current.fd, before, size - before), before, this.state, (end) => {
          this.#end = end;
        });
        changed ||= this.#end > before;
      }
      if (nlink > 0) return changed;
      this.#changeFile();
      changed = true;
    }
  }

  /** Cuts off what a dead writer left behind the last complete line; the number of bytes cut. */
  repairTail(): number {
    const torn = fstatSync(this.#current.fd).size - this.#end;
    if (torn > 0) ftruncateSync(this.#current.fd, this.#end);
    return torn;
  }

  /** Appends whole lines, which the state has already taken over. After an error call `reload`. */
  append(lines: Buffer): void {
    const written = writeSync(this.#current.fd, lines, 0, lines.length, this.#end);
    if (written < lines.length) throw new Error(`only ${written} of ${lines.length} bytes could be written`);
    this.#end += written;
  }

  /** Forgets the state in favour of what the complete lines of the file say, and cuts off the rest. */
  reload(): void {
    this.#adopt(load(this.path, openSync(this.path, "r+")));
    this.repairTail();
  }

  /** Resolves when all that was appended is on the disk. */
  async sync(): Promise<void> {
    this.#syncing++;
    try {
      await syncData(this.#current.fd);
    } finally {
      this.#syncing--;
      this.#closeRetired();
    }
  }

  /** Replaces the file by a snapshot and at most `revisions` revisions (`keepBytes` bytes) of history. */
  async compact(revisions: number, keepBytes: number): Promise<void> {
    const { snapshot, keptFrom } = this.state.snapshotBefore(revisions, this.#end - keepBytes);
    const kept = keptFrom === undefined ? Buffer.alloc(0) : read(this.#current.fd, keptFrom, this.#end - keptFrom);
    const start = encodeJournalStart(this.#current.header.generation + 1, snapshot, kept.length);
    await replaceFile(this.path, [start, kept]);
    this.catchUp();
  }

  close(): void {
    this.#retired.push(this.#current.fd);
    this.#closeRetired();
  }

  /** The file was replaced after its last line was read: go on in its successor. */
  #changeFile(): void {
    let fd: number;
    try {
      fd = openSync(this.path, "r+");
    } catch (error) {
      throw new DatastoreError(
        "DATASTORE_UNAVAILABLE",
        `${this.path} is gone (${errorMessage(error)}); put it back from a backup, or restart with an empty store`,
        { file: this.path },
        error,
      );
    }
    const start = read(fd, 0, HEADER_READ_BYTES);
    const headerLength = start.indexOf(NEWLINE);
    const header = decodeHeader(start.subarray(0, Math.max(0, headerLength)));
    if (header?.generation !== this.#current.header.generation + 1) {
      this.#adopt(load(this.path, fd));
      return;
    }
    // The direct successor says in other words what is known already, up to the end of its kept lines.
    const compactedSize = headerLength + 1 + header.snapshotBytes + header.keptBytes;
    this.state.rebase(header.baseRevision, compactedSize - this.#end);
    this.#adopt({ fd, header, state: this.state, end: compactedSize, compactedSize });
  }

  #adopt(loaded: Loaded): void {
    this.#retired.push(this.#current.fd);
    this.#current = loaded;
    this.#end = loaded.end;
    this.#closeRetired();
  }

  #closeRetired(): void {
    if (this.#syncing > 0) return;
    for (const fd of this.#retired.splice(0)) closeSync(fd);
  }
}

/** Reads a journal from its start. Closes `fd` if it throws. */
function load(path: string, fd: number): Loaded {
  try {
    const bytes = read(fd, 0, fstatSync(fd).size);
    const headerEnd = bytes.indexOf(NEWLINE);
    const header = decodeHeader(bytes.subarray(0, Math.max(0, headerEnd)));
    if (header === undefined) throw corrupt(path, 0, "the first line is not the header of a journal of version 1");
    const snapshotAt = headerEnd + 1;
    const linesAt = snapshotAt + header.snapshotBytes;
    const snapshot = decodeSnapshot(bytes.subarray(snapshotAt, linesAt - 1));
    if (snapshot === undefined || bytes[linesAt - 1] !== NEWLINE)
      throw corrupt(path, 0, "the snapshot does not match its checksum");
    const state = new StoreState(snapshot);
    let end = linesAt;
    replay(path, bytes.subarray(linesAt), linesAt, state, (lineEnd) => {
      end = lineEnd;
    });
    return { fd, header, state, end, compactedSize: linesAt + header.keptBytes };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Applies every complete line of `bytes`, which begin at `offset` of the file, and reports the end of each. */
function replay(path: string, bytes: Buffer, offset: number, state: StoreState, onLine: (end: number) => void): void {
  let start = 0;
  for (;;) {
    const newline = bytes.indexOf(NEWLINE, start);
    if (newline < 0) return;
    const record = readRecord(decodeLine(bytes.subarray(start, newline)));
    if (record === undefined) throw corrupt(path, offset + start, "a line does not match its checksum");
    if (!state.apply(record, offset + start))
      throw corrupt(path, offset + start, `revision ${record.revision} follows on ${state.revision}`);
    start = newline + 1;
    onLine(offset + start);
  }
}

/** Up to `length` bytes from `offset` on. */
function read(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}

/** Puts a file in place of `path` such that a power failure leaves either the old one or the new one, whole. */
async function replaceFile(path: string, parts: readonly Buffer[]): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    for (const part of parts) await file.writeFile(part);
    await file.sync();
  } finally {
    await file.close();
  }
  renameSync(temporary, path);
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function corrupt(path: string, offset: number, what: string): DatastoreError {
  const wayOut =
    offset > 0
      ? `cut it off there (truncate -s ${offset} ${path}) to go on with what was committed before, or restore a backup`
      : "restore a backup, or move it away to start with an empty store";
  return new DatastoreError(
    "CORRUPT_JOURNAL",
    `${path} is damaged at byte ${offset}: ${what}. Stop all processes that use it, keep a copy, and ${wayOut}`,
    { file: path, offset },
  );
}

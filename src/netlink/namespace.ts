import { closeSync, mkdirSync, openSync, readdirSync, statfsSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../core/errors.ts";
import {
  bindMount,
  detachMount,
  makeMountShared,
  SyscallError,
  setNetworkNamespace,
  unshareNetworkNamespace,
} from "../sys/libc.ts";
import { NetlinkError } from "./errors.ts";
import type { NamespaceHandle } from "./types.ts";

/** Where iproute2 keeps named namespaces, so that `ip netns` shows ours. */
export const defaultNamespaceDirectory = "/run/netns";
/** The calling thread's own, which /proc/self (the main thread's) need not be. */
const OWN_NAMESPACE = "/proc/thread-self/ns/net";
/** statfs(2) type of a namespace file (NSFS_MAGIC, linux/magic.h). */
const NSFS_MAGIC = 0x6e736673;
const EINVAL = 22;

export interface NamespaceDirectory {
  /** Default: `defaultNamespaceDirectory`. */
  readonly directory?: string;
}

/**
 * Makes a network namespace with a name and returns the path of its file. All synchronous; the calling thread is back in
 * its own namespace afterwards. Throws `NAMESPACE_EXISTS`, `INVALID_NAMESPACE_NAME` or `NAMESPACE_FAILED`.
 */
export function createNamespace(
  name: string,
  { directory = defaultNamespaceDirectory }: NamespaceDirectory = {},
): string {
  const path = namespacePath(name, directory);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  // Only the directory that everybody knows: a mount must not be left behind in one that the caller may want to remove.
  if (directory === defaultNamespaceDirectory) shareMounts(directory);
  try {
    closeSync(openSync(path, "wx", 0));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw failed("made", path, error);
    throw new NetlinkError(
      "NAMESPACE_EXISTS",
      `there is already a network namespace ${path}; choose another name, or remove it if it is a leftover: ip netns del ${name}`,
      { path },
    );
  }
  try {
    // The mount is what keeps the namespace alive once no thread is in it.
    fromOwnNamespace(() => {
      unshareNetworkNamespace();
      bindMount(OWN_NAMESPACE, path, false);
    });
    return path;
  } catch (error) {
    unlinkSync(path);
    throw failed("made", path, error);
  }
}

/**
 * Takes a namespace's name away; it lives on while processes or open files are in it. Throws `NAMESPACE_NOT_FOUND`,
 * `INVALID_NAMESPACE_NAME` or `NAMESPACE_FAILED`.
 */
export function deleteNamespace(
  name: string,
  { directory = defaultNamespaceDirectory }: NamespaceDirectory = {},
): void {
  const path = namespacePath(name, directory);
  try {
    try {
      detachMount(path);
    } catch (error) {
      // Nothing mounted: what a crash between the two steps of the creation leaves.
      if (!(error instanceof SyscallError) || error.errno !== EINVAL) throw error;
    }
    unlinkSync(path);
  } catch (error) {
    throw failed("deleted", path, error);
  }
}

/** Names of the namespaces in a directory, in order; none if there is no such directory. */
export function listNamespaces({ directory = defaultNamespaceDirectory }: NamespaceDirectory = {}): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => isNamespace(join(directory, name)))
      .sort();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw failed("listed", directory, error);
  }
}

/** An open namespace file: whoever has it can put links there, also when the name is gone. */
export interface OpenNamespace extends NamespaceHandle {
  close(): void;
}

/** Opens the file of a namespace (/run/netns/NAME, /proc/PID/ns/net). Throws `NAMESPACE_NOT_FOUND` or `NAMESPACE_FAILED`. */
export function openNamespace(path: string): OpenNamespace {
  try {
    const fd = openSync(path, "r");
    return { fd, close: () => closeSync(fd) };
  } catch (error) {
    throw failed("opened", path, error);
  }
}

/**
 * Runs `run` with the calling thread in another network namespace and returns its result. Only what happens before `run`
 * returns happens inside: no promise, callback, child process's I/O or new thread may be started there. If the way back
 * fails the process is aborted, since everything that followed would go to the wrong network. Throws what `run` throws,
 * `NAMESPACE_NOT_FOUND` or `NAMESPACE_FAILED`.
 */
export function withNamespaceSync<Result>(path: string, run: () => Result): Result {
  const target = openNamespace(path);
  try {
    return fromOwnNamespace(() => {
      try {
        setNetworkNamespace(target.fd);
      } catch (error) {
        throw failed("entered", path, error);
      }
      return run();
    });
  } finally {
    target.close();
  }
}

/** Runs `leave`, which may take the thread elsewhere, and brings it back. */
function fromOwnNamespace<Result>(leave: () => Result): Result {
  const home = openNamespace(OWN_NAMESPACE);
  try {
    return leave();
  } finally {
    try {
      setNetworkNamespace(home.fd);
    } catch (error) {
      writeSync(2, `calibird: cannot return to the own network namespace: ${errorMessage(error)}\n`);
      process.abort();
    }
    home.close();
  }
}

/** As iproute2 does: mounts made here show up in mount namespaces that are copies of ours, and can be undone there. */
function shareMounts(directory: string): void {
  try {
    makeMountShared(directory);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EINVAL) throw failed("made", directory, error);
    bindMount(directory, directory, true);
    makeMountShared(directory);
  }
}

function namespacePath(name: string, directory: string): string {
  if (/^[^/\0]{1,255}$/.test(name) && name !== "." && name !== "..") return join(directory, name);
  throw new NetlinkError(
    "INVALID_NAMESPACE_NAME",
    `${JSON.stringify(name)} is not a namespace name, which is a file name without "/"`,
    { name },
  );
}

function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch {
    // Deleted meanwhile.
    return false;
  }
}

function failed(what: string, path: string, cause: unknown): NetlinkError {
  const isMissing = codeOf(cause) === "ENOENT";
  return new NetlinkError(
    isMissing ? "NAMESPACE_NOT_FOUND" : "NAMESPACE_FAILED",
    isMissing
      ? `there is no network namespace ${path}`
      : `network namespace ${path} cannot be ${what}: ${errorMessage(cause)}`,
    { path },
    cause,
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

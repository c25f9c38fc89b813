import koffi from "koffi";
import { SyscallError } from "./errors.ts";

export { SyscallError };

/** The symbols that the process has loaded already: glibc or musl, whichever node runs on. */
const libc = koffi.load(null);
const { EINTR, EWOULDBLOCK } = koffi.os.errno;

const native = {
  flock: libc.func("int flock(int fd, int operation)"),
};

const FLOCK = { shared: 1, exclusive: 2, unlock: 8 } as const;
const LOCK_NB = 4;

/**
 * flock(2) on an open file. False if `nonBlocking` and somebody else holds the lock; true once it is taken or given up.
 * A blocking call blocks the whole thread. Throws SyscallError.
 */
export function flock(fd: number, operation: "exclusive" | "shared" | "unlock", nonBlocking: boolean): boolean {
  for (;;) {
    if (native.flock(fd, FLOCK[operation] | (nonBlocking ? LOCK_NB : 0)) === 0) return true;
    const errno = koffi.errno();
    if (errno === EWOULDBLOCK) return false;
    if (errno !== EINTR) throw new SyscallError("flock", errno, `file descriptor ${fd}`);
  }
}

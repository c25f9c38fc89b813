import { CalibirdError } from "../core/errors.ts";
import { errnoName, errnoText } from "./errno.ts";

/**
 * A system call that failed. `code` is the errno's name such as ENOENT; `subject` of the constructor names what it was
 * about (a path, a device), so that the message can.
 */
export class SyscallError extends CalibirdError {
  readonly syscall: string;
  /** Positive, e.g. 2. */
  readonly errno: number;

  constructor(syscall: string, errno: number, subject?: string) {
    const code = errnoName(errno);
    const about = subject === undefined ? "" : ` ${subject}`;
    super(code, `${syscall}${about}: ${code}: ${errnoText(errno)}`, { syscall, errno, subject });
    this.syscall = syscall;
    this.errno = errno;
  }
}

import { CalibirdError } from "../core/errors.ts";

export type NetlinkErrorCode =
  /** The kernel refused a query (a dump, a look-up); `details.errno` and `details.errnoName` say why. */
  | "KERNEL_REFUSED"
  /** The table changed during every one of several dumps. */
  | "DUMP_INTERRUPTED"
  /** Bytes that are no rtnetlink message. */
  | "MALFORMED_MESSAGE"
  /** A request that cannot be put into bytes: `details.field` and `details.value`. */
  | "INVALID_REQUEST"
  /** The compiled worker is not where it should be. */
  | "WORKER_MISSING"
  /** The thread that owns the sockets ended by itself. */
  | "WORKER_FAILED"
  | "CLOSED"
  | "NAMESPACE_EXISTS"
  | "NAMESPACE_NOT_FOUND"
  | "INVALID_NAMESPACE_NAME"
  /** A namespace could not be made, entered or removed; the cause is a SyscallError. */
  | "NAMESPACE_FAILED"
  | "SYSCTL_NOT_FOUND"
  | "SYSCTL_REFUSED"
  | "INVALID_SYSCTL_NAME";

/** What goes wrong between us and the kernel's network configuration. */
export class NetlinkError extends CalibirdError<NetlinkErrorCode> {}

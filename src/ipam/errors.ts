import { CalibirdError } from "../core/errors.ts";

export type IpamErrorCode =
  /** No pool serves this node, namespace or use. */
  | "NO_POOL"
  /** A pool that was asked for by its range does not exist or is disabled; `details.cidr`. */
  | "POOL_NOT_ENABLED"
  | "POOL_EXHAUSTED"
  /** The node owns as many blocks as it may; `details.limit`. */
  | "BLOCK_LIMIT"
  /** More addresses are asked for than the handle may have; `details.limit`. */
  | "HANDLE_LIMIT"
  /** The node has not yet compared what is allocated with what its pods use. */
  | "NOT_AUDITED"
  /** Somebody else has the address; `details.address`, `details.handleId`. */
  | "ADDRESS_IN_USE"
  | "ADDRESS_NOT_IN_POOL"
  /** The address lies in another node's block, and strict affinity forbids borrowing. */
  | "STRICT_AFFINITY"
  | "INVALID_HANDLE"
  /** A pod's annotation about pools or addresses makes no sense; `details.annotation`. */
  | "INVALID_ANNOTATION"
  /** A range that holds no block, or too many, or parts that a pool can't be split into. */
  | "INVALID_RANGE"
  | "BLOCK_NOT_FOUND"
  /** A file that is no report of `ipam check`; `details.file`. */
  | "INVALID_REPORT"
  /** The value stored under `details.key` can't be used. */
  | "INVALID_STORED_VALUE"
  /** Other writers were faster a hundred times in a row. */
  | "CONFLICT";

export class IpamError extends CalibirdError<IpamErrorCode> {}

import { CalibirdError } from "../core/errors.ts";

/** Why a lab could not be read, started, changed or removed; each is described in docs/errors.md. */
export type LabErrorCode =
  /** The topology file has mistakes; `TopologyError.problems` lists all of them. */
  | "LAB_TOPOLOGY_INVALID"
  /** A lab of this name is already up, or is being started by another process. */
  | "LAB_ALREADY_UP"
  /** No lab of this name is up. */
  | "LAB_NOT_UP"
  /** The lab has no such node, or the node is of a kind that runs no processes. */
  | "LAB_NODE_UNKNOWN"
  /** The node's main process, or the node as a whole, is not running. */
  | "LAB_NODE_NOT_RUNNING"
  /** The node's main process is running already. */
  | "LAB_NODE_RUNNING"
  /** A step of the start-up failed; what had been made so far was removed again. */
  | "LAB_START_FAILED"
  /** Something of the lab could not be removed. */
  | "LAB_REMOVE_FAILED"
  /** The machine cannot run labs: not root, or a program is missing. */
  | "LAB_UNSUPPORTED"
  /** The caller's abort signal fired. */
  | "LAB_INTERRUPTED";

/** What the lab throws on purpose. */
export class LabError extends CalibirdError<LabErrorCode> {}

import { CalibirdError } from "../core/errors.ts";

type NodeErrorCode = "DUPLICATE_NODE_ADDRESS" | "NODE_NAME_IN_USE";

/** This node cannot take its place in the cluster. */
export class NodeError extends CalibirdError<NodeErrorCode> {}

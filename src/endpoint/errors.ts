import { CalibirdError } from "../core/errors.ts";

export type EndpointErrorCode =
  /** A name, MTU or address that no endpoint can have; `details.field` and `details.value`. */
  | "INVALID_ENDPOINT"
  /** The pod's namespace cannot be opened. */
  | "NAMESPACE_UNAVAILABLE"
  /** An interface that is not ours has the name. */
  | "INTERFACE_EXISTS"
  /** The pod has a route of its own where ours would go. */
  | "ROUTE_EXISTS"
  /** The kernel refused a step; `details.errno` and `details.errnoName` say why. */
  | "KERNEL_REFUSED"
  | "SYSCTL_REFUSED"
  /** Something did not keep the value that it was given, although nobody refused; `details.missing` lists it. */
  | "NOT_SETTLED";

/** Why a pod could not be wired; nothing of the attempt remains. */
export class EndpointError extends CalibirdError<EndpointErrorCode> {}

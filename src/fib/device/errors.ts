import { CalibirdError } from "../../core/errors.ts";

export type TunnelErrorCode =
  /** A wish that no tunnel can fulfil; `details.field` and `details.value`. */
  | "INVALID_TUNNEL"
  /** Nothing needs the tunnel now. */
  | "TUNNEL_NOT_WANTED"
  /** It is being set up. */
  | "TUNNEL_PENDING"
  | "KERNEL_LACKS_IPIP"
  | "KERNEL_LACKS_VXLAN"
  /** A device that is not ours has the name, or the VNI and port. */
  | "DEVICE_CONFLICT"
  /** The interface that the tunnel's packets leave by does not exist. */
  | "PARENT_MISSING"
  /** The kernel refused a step; `details.errno` and `details.errnoName` say why. */
  | "KERNEL_REFUSED"
  /** The thread that carries the packets of a user-space tunnel could not be started or has ended. */
  | "FORWARDER_FAILED"
  /** The kernel could not be asked. */
  | "KERNEL_UNREACHABLE"
  /** Something does not keep the value that it was given, although nobody refused. */
  | "NOT_SETTLED"
  /** Another program keeps changing the device; it is put right after pauses. */
  | "TUNNEL_CONTESTED";

/** Why a tunnel device is not as it should be. */
export class TunnelError extends CalibirdError<TunnelErrorCode> {}

import { CalibirdError } from "../core/errors.ts";

export type NatErrorCode =
  /** The program nft is not on this machine. */
  | "NFT_MISSING"
  /** nft or the kernel said no; the message has its words. Nothing was changed. */
  | "NFT_REFUSED"
  /** nft could not be started, was killed, took too long, or wrote what is no JSON. */
  | "NFT_FAILED";

/** Why this node's table of address translation is not as it should be. */
export class NatError extends CalibirdError<NatErrorCode> {}

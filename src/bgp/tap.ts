/**
 * Sees the octets of all sessions, for those who watch and record (BMP, MRT). Calls come in the wire's order and must return
 * soon; the octets are whole messages, may not be changed, and must be copied if they are kept.
 */
export interface BgpTap {
  /** One whole message that was understood. */
  received(peer: string, octets: Uint8Array): void;
  /** One or several whole messages. */
  sent(peer: string, octets: Uint8Array): void;
}

import { BgpError } from "./errors.ts";
import { endpointKey } from "./session/endpoint.ts";
import type { PeerConfig } from "./types.ts";

/**
 * Throws `DUPLICATE_PEER` for two peers of one name or address: an incoming connection could not be told apart. Throws
 * `UNSUPPORTED_TRANSPORT` for one that no socket can be made for, by what `refusal` says.
 */
export function checkPeers(peers: readonly PeerConfig[], refusal: (peer: PeerConfig) => string | undefined): void {
  const seen = new Map<string, string>();
  for (const peer of peers) {
    const { name, address, transport } = peer;
    for (const key of [`name ${name}`, `address ${endpointKey(address, transport?.device)}`]) {
      const other = seen.get(key);
      if (other !== undefined)
        throw new BgpError("DUPLICATE_PEER", `peers ${other} and ${name} have the same ${key}`, { name, other });
      seen.set(key, name);
    }
    const reason = refusal(peer);
    if (reason !== undefined) throw new BgpError("UNSUPPORTED_TRANSPORT", `peer ${name}: ${reason}`, { name });
  }
}

import type { PathAttributes } from "./attributes.ts";
import { decodeAttributes, toPathAttributes } from "./attributes-decode.ts";
import type { CodecContext } from "./message.ts";
import { Reader } from "./reader.ts";
import { encodeAttributes } from "./update-encode.ts";

/** As between peers of one AS that know AS numbers of four octets: nothing is left out. */
const context: CodecContext = {
  peerType: "ibgp",
  fourOctetAs: true,
  maxMessageLength: 65_535,
  families: [],
  addPathReceive: [],
  addPathSend: [],
};

/**
 * Attributes as octets: each as on the wire between iBGP peers with AS numbers of four octets, ascending by code, without next
 * hop and routes. Equal attributes have equal octets. Throws `BgpPacketError` for what no valid message can carry.
 */
export function encodeSharedAttributes(attributes: PathAttributes): Uint8Array {
  return encodeAttributes({ attributes }, context);
}

/** What `encodeSharedAttributes` was given. Throws for octets that it did not write. */
export function decodeSharedAttributes(octets: Uint8Array): PathAttributes {
  const decoded = decodeAttributes(Reader.of(octets), context, false);
  const attributes = "draft" in decoded && decoded.problems.length === 0 ? toPathAttributes(decoded.draft) : undefined;
  if (attributes === undefined) throw new TypeError(`${octets.length} octets are no path attributes`);
  return attributes;
}

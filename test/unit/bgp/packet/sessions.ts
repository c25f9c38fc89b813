import type { CodecContext } from "../../../../src/bgp/packet/message.ts";

/** A session between speakers that have all that the codec knows but ADD-PATH and RFC 8654; changed by `changes`. */
export function session(changes: Partial<CodecContext> = {}): CodecContext {
  return {
    peerType: "ebgp",
    fourOctetAs: true,
    maxMessageLength: 4096,
    families: ["ipv4-unicast", "ipv6-unicast"],
    addPathReceive: [],
    addPathSend: [],
    ...changes,
  };
}

export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s/g, "");
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** A whole message with a right header around `body`. */
export function messageOf(type: number, body: string): Uint8Array {
  const octets = body.replace(/\s/g, "");
  const length = (19 + octets.length / 2).toString(16).padStart(4, "0");
  return fromHex(`${"ff".repeat(16)}${length}${type.toString(16).padStart(2, "0")}${octets}`);
}

/** An UPDATE from the hex of its three fields; the lengths are computed. */
export function updateOf(fields: { withdrawn?: string; attributes?: string; nlri?: string }): Uint8Array {
  const withLength = (text: string) => {
    const octets = text.replace(/\s/g, "");
    return (octets.length / 2).toString(16).padStart(4, "0") + octets;
  };
  return messageOf(2, withLength(fields.withdrawn ?? "") + withLength(fields.attributes ?? "") + (fields.nlri ?? ""));
}

/** An attribute's hex from the hex of flags and code, e.g. `4002`, and of its value; the length is computed. */
export function attribute(flagsAndCode: string, value: string): string {
  const octets = value.replace(/\s/g, "");
  const length = octets.length / 2;
  const flags = Number.parseInt(flagsAndCode.slice(0, 2), 16) | (length > 255 ? 0x10 : 0);
  return `${flags.toString(16).padStart(2, "0")}${flagsAndCode.slice(2)}${length.toString(16).padStart(length > 255 ? 4 : 2, "0")}${octets}`;
}

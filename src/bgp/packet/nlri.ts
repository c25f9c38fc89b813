import { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { maxUint32 } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import type { Family } from "./family.ts";
import type { Nlri } from "./message.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/**
 * Appends the prefixes of an NLRI field (RFC 4271 §4.3, RFC 7911 §3) to `into`. Bits behind the prefix length are ignored.
 * Returns what is wrong with the field, or undefined.
 */
export function decodeNlri(reader: Reader, family: Family, withPathId: boolean, into: Nlri[]): string | undefined {
  const bits = family === "ipv4-unicast" ? 32 : 128;
  while (reader.remaining > 0) {
    const pathId = withPathId ? reader.u32() : 0;
    const length = reader.u8();
    if (length > bits) return `prefix length ${length} exceeds ${bits}`;
    const octets = (length + 7) >> 3;
    const address = bits === 32 ? IpAddress.v4(reader.leftAligned(octets)) : readIpv6(reader, octets);
    if (reader.overran) return `prefix number ${into.length + 1} of the field is cut off`;
    into.push({ prefix: Prefix.of(address, length), pathId });
  }
  return undefined;
}

function readIpv6(reader: Reader, octets: number): IpAddress {
  const w0 = reader.leftAligned(wordOctets(octets));
  const w1 = reader.leftAligned(wordOctets(octets - 4));
  const w2 = reader.leftAligned(wordOctets(octets - 8));
  return IpAddress.v6(w0, w1, w2, reader.leftAligned(wordOctets(octets - 12)));
}

function wordOctets(octets: number): number {
  return octets < 0 ? 0 : octets > 4 ? 4 : octets;
}

/**
 * The NLRI fields of as few messages as can hold `nlri` in order, each at most `budget` octets long.
 * Throws `VALUE_OUT_OF_RANGE` for a prefix of the other family and `ATTRIBUTES_TOO_LARGE` if one prefix alone exceeds it.
 */
export function packNlri(nlri: readonly Nlri[], family: Family, withPathId: boolean, budget: number): Uint8Array[] {
  const addressFamily = family === "ipv4-unicast" ? 4 : 6;
  const fields: Uint8Array[] = [];
  const writer = new Writer(Math.max(0, Math.min(budget, 4096)));
  for (const { prefix, pathId } of nlri) {
    if (prefix.family !== addressFamily)
      throw new BgpPacketError("VALUE_OUT_OF_RANGE", `${prefix} is no ${family} prefix`, {
        field: "nlri",
        value: prefix,
      });
    const octets = (prefix.length + 7) >> 3;
    const size = octets + (withPathId ? 5 : 1);
    if (writer.length + size > budget) {
      if (size > budget)
        throw new BgpPacketError(
          "ATTRIBUTES_TOO_LARGE",
          `the attributes leave ${Math.max(0, budget)} octets of a message for ${prefix}, which needs ${size}`,
          { field: "attributes", value: budget },
        );
      fields.push(writer.toBytes());
      writer.clear();
    }
    if (withPathId) writer.u32(requireInteger("pathId", pathId, 0, maxUint32));
    writer.u8(prefix.length);
    writePrefixOctets(writer, prefix.address, octets);
  }
  if (writer.length > 0) fields.push(writer.toBytes());
  return fields;
}

function writePrefixOctets(writer: Writer, address: IpAddress, octets: number): void {
  writer.leftAligned(address.w0, wordOctets(octets));
  if (octets <= 4) return;
  writer.leftAligned(address.w1, wordOctets(octets - 4));
  writer.leftAligned(address.w2, wordOctets(octets - 8));
  writer.leftAligned(address.w3, wordOctets(octets - 12));
}

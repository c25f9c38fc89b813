import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { attributeRules } from "../../../../src/bgp/packet/attribute-table.ts";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import type { BgpMessage, CodecContext } from "../../../../src/bgp/packet/message.ts";
import { encodeNotification } from "../../../../src/bgp/packet/notification.ts";
import { encodeOpen } from "../../../../src/bgp/packet/open.ts";
import { encodeRouteRefresh } from "../../../../src/bgp/packet/route-refresh.ts";
import { encodeEndOfRib, encodeUpdates } from "../../../../src/bgp/packet/update-encode.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { fromHex, session, toHex } from "./sessions.ts";

/** One case of test/vectors/messages.json, whose head says how values are written. */
interface MessageVector {
  readonly name: string;
  readonly context?: Partial<CodecContext>;
  readonly hex: string;
  readonly value: unknown;
}

const vectors: readonly MessageVector[] = JSON.parse(
  readFileSync(new URL("../../../vectors/messages.json", import.meta.url), "utf8"),
).cases;

/** A value as the file writes it. */
function written(value: unknown): unknown {
  if (value instanceof IpAddress || value instanceof Prefix) return value.toString();
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return `0x${value.toString(16).padStart(16, "0")}`;
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, written(field)]));
}

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  address: IpAddress.parse,
  linkLocal: IpAddress.parse,
  prefix: Prefix.parse,
  data: fromHex,
  value: fromHex,
  extendedCommunities: BigInt,
};

/** The message that the file means. */
function meant(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => meant(item, key));
  if (typeof value === "string") return readers[key]?.(value) ?? value;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, meant(field, name)]));
}

function encode(message: BgpMessage, context: CodecContext): readonly Uint8Array[] {
  switch (message.type) {
    case "open":
      return [encodeOpen(message)];
    case "notification":
      return [encodeNotification(message)];
    case "keepalive":
      return [encodeKeepalive()];
    case "route-refresh":
      return [encodeRouteRefresh(message)];
    case "update":
      return message.endOfRib === undefined ? encodeUpdates(message, context) : [encodeEndOfRib(message.endOfRib)];
  }
}

describe("the octets of every message and attribute", () => {
  test.each(vectors.map((vector) => [vector.name, vector] as const))("%s: read and written", (_, vector) => {
    const context = session(vector.context);
    const decoded = decodeMessage(fromHex(vector.hex), context);
    expect(decoded.ok ? written(decoded.message) : decoded.error).toEqual(vector.value);
    // What the reader of the file makes of a value is a message by its own check above: it is written as it is read.
    const message = meant(vector.value) as BgpMessage;
    expect(encode(message, context).map(toHex)).toEqual([vector.hex]);
  });

  test("leave out none that the codec can send", () => {
    const sent = new Set<number>();
    for (const { hex } of vectors) {
      const octets = fromHex(hex);
      if (octets[18] !== 2) continue;
      const view = new DataView(octets.buffer);
      let at = 21 + view.getUint16(19);
      const end = at + 2 + view.getUint16(at);
      for (at += 2; at < end; ) {
        const isLong = ((octets[at] ?? 0) & 0x10) !== 0;
        sent.add(octets[at + 1] ?? 0);
        at += isLong ? 4 + view.getUint16(at + 2) : 3 + (octets[at + 2] ?? 0);
      }
    }
    // Optional non-transitive ones that we do not interpret are read, checked and never sent.
    const sendable = attributeRules.map(({ code }) => code).filter((code) => code !== 26 && code !== 29);
    expect([...sent].sort((left, right) => left - right)).toEqual(
      [...sendable, 99].sort((left, right) => left - right),
    );
    expect(new Set(vectors.map(({ hex }) => Number.parseInt(hex.slice(36, 38), 16)))).toEqual(new Set([1, 2, 3, 4, 5]));
  });
});

import { describe, expect, test } from "vitest";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import { MessageFramer } from "../../../../src/bgp/packet/framer.ts";
import type { BgpMessage, SessionError, UpdateMessage } from "../../../../src/bgp/packet/message.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { allowedOutcomes, type Vector, vectors } from "../../../support/bgp-vectors.ts";
import { fromHex, session, toHex } from "./sessions.ts";

/** Cases whose outcome depends on more than the octets; the codec must let them pass to those who know. */
const judgedElsewhere: Readonly<Record<string, string>> = {
  "aspath-own-as-loop": "the loop test needs our own AS number",
  "nexthop-is-dut": "that the next hop is ours needs our own addresses",
  "open-as16-ok-as4-mismatch": "the peer's AS number is configuration",
  "open-as-trans-no-as4": "the peer's AS number is configuration",
  "open-only-vpnv4-mp": "whether a family is common needs our own families",
  "update-before-open": "the state machine knows what may come when",
  "open-twice": "the state machine knows what may come when",
  "open-then-update-no-keepalive": "the state machine knows what may come when",
  "open-then-rr-no-keepalive": "the state machine knows what may come when",
};

const contexts = { ebgp: session(), ibgp: session({ peerType: "ibgp" }) };

/** Frames and decodes; the messages, or the first error. */
function receive(vector: Vector): readonly BgpMessage[] | SessionError {
  const framer = new MessageFramer();
  framer.push(fromHex(vector.hex));
  const messages: BgpMessage[] = [];
  for (let framed = framer.next(); framed !== undefined; framed = framer.next()) {
    if (!framed.ok) return framed.error;
    const decoded = decodeMessage(framed.bytes, vector.kind === "open" ? undefined : contexts[vector.session]);
    if (!decoded.ok) return decoded.error;
    messages.push(decoded.message);
  }
  return messages;
}

function controlUpdate(vector: Vector): UpdateMessage {
  const found = vectors.find(({ case: name, session: kind }) => name === "control-good" && kind === vector.session);
  if (found === undefined) throw new Error("there is no control case");
  const [message] = receiveAll(found);
  if (message?.type !== "update") throw new Error("the control case is no UPDATE");
  return message;
}

function receiveAll(vector: Vector): readonly BgpMessage[] {
  const result = receive(vector);
  if ("code" in result) throw new Error(result.reason);
  return result;
}

/** Everything that `expect` may call what happened. */
function outcomes(vector: Vector): ReadonlySet<string> {
  const result = receive(vector);
  if ("code" in result) return new Set([`RESET ${result.code}/${result.subcode}`, `RESET ${result.code}/x`]);
  const message = result[0];
  if (message?.type === "open") return new Set(["ESTABLISHED"]);
  if (message?.type === "notification") return new Set(["CLOSE"]);
  if (message?.type !== "update") return new Set(["IGNORE"]);
  const prefix = Prefix.parse(vector.prefix ?? "0.0.0.0/0");
  const holds = (route: { readonly nlri: readonly { readonly prefix: Prefix }[] }) =>
    route.nlri.some((nlri) => nlri.prefix.contains(prefix));
  if (message.announcements.some(holds)) {
    const names = new Set(["ACCEPT"]);
    const control = controlUpdate(vector).attributes;
    const unknown = message.attributes?.unknown ?? [];
    if (JSON.stringify(message.attributes) === JSON.stringify(control)) names.add("DISCARD-ATTR");
    if (unknown.length === 1 && unknown.every(({ flags }) => flags === 0xe0)) names.add("PASS");
    if (names.has("DISCARD-ATTR") || toHex(unknown[0]?.value ?? new Uint8Array()) === "aa") names.add("KEEP-FIRST");
    return names;
  }
  return new Set([message.withdrawals.some(holds) ? "WITHDRAW" : "IGNORE"]);
}

describe("outside cases of BGP octets", () => {
  const judged = vectors.filter((vector) => !(vector.case in judgedElsewhere));
  const passed = vectors.filter((vector) => vector.case in judgedElsewhere);

  test("none has vanished", () => {
    expect(vectors.length).toBe(295);
    expect(judged.length).toBe(282);
    expect(passed.length).toBe(13);
    expect(new Set(passed.map((vector) => vector.case))).toEqual(new Set(Object.keys(judgedElsewhere)));
  });

  test.each(judged.map((vector) => [`${vector.session} ${vector.case}`, vector] as const))(
    "%s ends as its RFC wants",
    (_, vector) => {
      const names = allowedOutcomes(vector.expect);
      expect(names.length, `no outcome in "${vector.expect}"`).toBeGreaterThan(0);
      const seen = outcomes(vector);
      expect(
        names.some((name) => seen.has(name)),
        `expected ${vector.expect} (${vector.ref}), saw ${[...seen].join(", ")}`,
      ).toBe(true);
    },
  );

  test.each(passed.map((vector) => [`${vector.session} ${vector.case}`, vector] as const))(
    "%s passes the codec, since others judge it",
    (_, vector) => {
      const seen = outcomes(vector);
      expect(["ACCEPT", "ESTABLISHED", "IGNORE"].some((name) => seen.has(name))).toBe(true);
    },
  );
});

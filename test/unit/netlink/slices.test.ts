import { describe, expect, test } from "vitest";
import { readMessages } from "../../../src/netlink/codec/message.ts";
import { encodeSlice, sliceResults } from "../../../src/netlink/slices.ts";
import type { NetlinkRequest } from "../../../src/netlink/types.ts";
import { nextHop, routeTo } from "./codec/samples.ts";

const add = (protocol = 202): NetlinkRequest => ({
  op: "route-add",
  route: routeTo("10.0.0.0/8", { protocol, nextHops: [nextHop("10.0.0.1")] }),
});
/** Its protocol does not fit an octet. */
const impossible = add(1_000);
const ok = { ok: true };
const invalid = { ok: false, errno: 22, code: "EINVAL", message: expect.stringContaining("protocol") };

const sentBy = (requests: readonly NetlinkRequest[], start = 0) => {
  const slice = encodeSlice(requests, start, 100);
  const sent = [...readMessages(slice.bytes)].map(({ sequence, flags }) => ({
    sequence,
    wantsAcknowledgement: (flags & 4) !== 0,
  }));
  return { slice, sent };
};

describe("encodeSlice", () => {
  test("numbers the requests and asks for the last one's acknowledgement only", () => {
    const { slice, sent } = sentBy([add(), add(), add()]);
    expect(sent).toEqual([
      { sequence: 100, wantsAcknowledgement: false },
      { sequence: 101, wantsAcknowledgement: false },
      { sequence: 102, wantsAcknowledgement: true },
    ]);
    expect(slice).toMatchObject({ count: 3, lastSequence: 102 });
  });

  test("passes over what cannot be encoded, without shifting the others' numbers", () => {
    const { slice, sent } = sentBy([impossible, add(), impossible, add(), impossible]);
    expect(sent).toEqual([
      { sequence: 101, wantsAcknowledgement: false },
      { sequence: 103, wantsAcknowledgement: true },
    ]);
    expect(slice).toMatchObject({ count: 5, lastSequence: 103 });
  });

  test("takes 512 requests at most and goes on where it stopped", () => {
    const requests = Array.from({ length: 1_000 }, (_, index) => add(index % 200));
    expect(sentBy(requests).slice.count).toBe(512);
    expect(sentBy(requests, 512).slice.count).toBe(488);
    expect([...readMessages(sentBy(requests, 512).slice.bytes)][0]?.payload.take(6).remaining).toBe(6);
  });

  test("stays far below the send buffer with requests that are long", () => {
    const wide = routeTo("10.0.0.0/8", { nextHops: Array.from({ length: 200 }, () => nextHop("10.0.0.1")) });
    const requests = Array.from({ length: 500 }, () => ({ op: "route-add", route: wide }) as const);
    const { slice } = sentBy(requests);
    expect(slice.count).toBeLessThan(500);
    expect(slice.bytes.length).toBeLessThan(100_000);
  });

  test("owns its bytes, so that they can be transferred", () => {
    const { slice } = sentBy([add()]);
    expect(slice.bytes.buffer.byteLength).toBe(slice.bytes.length);
  });
});

describe("sliceResults", () => {
  const { slice } = sentBy([add(), impossible, add(), add()]);

  test("gives each refusal to its request, with the kernel's text or the errno's meaning", () => {
    const refusals = [
      { sequence: 100, errno: 17 },
      { sequence: 103, errno: 101, text: "Nexthop has invalid gateway" },
      // Left over from somewhere else.
      { sequence: 99, errno: 1 },
      { sequence: 104, errno: 1 },
    ];
    expect(sliceResults(slice, { kind: "answered", refusals, isComplete: true })).toEqual([
      { ok: false, errno: 17, code: "EEXIST", message: "file already exists" },
      invalid,
      ok,
      { ok: false, errno: 101, code: "ENETUNREACH", message: "Nexthop has invalid gateway" },
    ]);
  });

  test("calls what nothing was heard of unknown if answers were lost", () => {
    const refusals = [{ sequence: 102, errno: 17 }];
    const unknown = { ok: false, errno: 105, code: "UNKNOWN", message: expect.stringContaining("read the state back") };
    expect(sliceResults(slice, { kind: "answered", refusals, isComplete: false })).toEqual([
      unknown,
      invalid,
      expect.objectContaining({ code: "EEXIST" }),
      unknown,
    ]);
  });

  test("fails all with the errno of a send that the kernel did not take", () => {
    const results = sliceResults(slice, { kind: "not-sent", errno: 105 });
    expect(results.map((result) => (result.ok ? "ok" : result.code))).toEqual([
      "ENOBUFS",
      "EINVAL",
      "ENOBUFS",
      "ENOBUFS",
    ]);
  });

  test("needs no outcome if nothing was to be sent", () => {
    expect(sliceResults(sentBy([impossible]).slice, undefined)).toEqual([invalid]);
  });
});

import { describe, expect, it } from "vitest";
import {
  decodeAffinity,
  decodeBlock,
  decodeConfig,
  decodeHandle,
  encodeAffinity,
  encodeBlock,
  encodeHandle,
} from "../../../src/ipam/codec.ts";

const FRESH =
  '{"cidr":"10.244.7.64/29","affinity":"host:worker-0","affinity_claim_time":"2026-01-02T03:04:05Z","allocations":[null,null,null,null,null,null,null,null],"unallocated":[0,1,2,3,4,5,6,7],"attributes":null,"sequenceNumber":1767323045678901234,"sequenceNumberForAllocation":{},"deleted":false}';
const USED =
  '{"cidr":"10.244.7.64/29","affinity":"host:worker-0","affinity_claim_time":"2026-01-02T03:04:05Z","allocations":[0,1,null,null,null,null,null,null],"unallocated":[2,3,4,5,6,7],"attributes":[{"handle_id":"ipip-tunnel-addr-worker-0","secondary":{"node":"worker-0","type":"ipipTunnelAddress"}},{"handle_id":"k8s-pod-network.9f3b0c…","secondary":{"namespace":"shop","node":"worker-0","pod":"web-0","timestamp":"2026-01-02 04:00:00.123456789 +0000 UTC"}}],"sequenceNumber":1767323045678901236,"sequenceNumberForAllocation":{"0":1767323045678901234,"1":1767323045678901235},"deleted":false}';
const ORPHAN =
  '{"cidr":"fd00:10:244:0:7::/126","affinity":null,"allocations":[0,null,null,1],"unallocated":[2,1],"attributes":[{"handle_id":"a\\u003cb\\u0026c"},{"releasedAt":"2026-01-02T03:04:05Z"}],"sequenceNumber":18446744073709551615,"sequenceNumberForAllocation":{"0":7,"3":1767323045678901235},"deleted":false,"hostAffinity":"worker-9","newField":{"big":12345678901234567890,"z":[1,"\\u0000x"],"a":null}}';

describe("a block", () => {
  it.each([
    ["fresh", FRESH],
    ["in use", USED],
    ["of nobody, IPv6, with fields of another version", ORPHAN],
  ])("that is %s comes out of the codec byte for byte as it went in", (_, text) => {
    const block = decodeBlock("/k", text);
    expect(block).toBeDefined();
    if (block !== undefined) expect(encodeBlock(block)).toBe(text);
  });

  it("prints sequence numbers in the order of their ordinals' text, as Go does", () => {
    const block = decodeBlock("/k", FRESH);
    if (block === undefined) throw new Error("no block");
    const text = encodeBlock({ ...block, allocationSequence: new Map([2, 10, 1, 0].map((each) => [each, 5n])) });
    expect(text).toContain('"sequenceNumberForAllocation":{"0":5,"1":5,"10":5,"2":5}');
  });

  it("marked as deleted is none", () => {
    expect(decodeBlock("/k", FRESH.replace('"deleted":false', '"deleted":true'))).toBeUndefined();
  });

  it.each([
    ["no JSON", "{", "not JSON"],
    ["a list", "[]", "not a JSON object"],
    ["a wrong range", FRESH.replace("/29", "/99"), "cidr"],
    ["too few allocations", FRESH.replace("[null,", "["), "one entry for each of the 8 addresses"],
    ["an allocation without an attribute", USED.replace("[0,1,", "[0,2,"), "allocations[1] is 2"],
    ["a free ordinal outside", FRESH.replace("6,7]", "6,8]"), "unallocated has 8"],
    ["no sequence number", FRESH.replace("1767323045678901234", "null"), "sequenceNumber is null"],
  ])("with %s is refused by key and reason", (_, text, reason) => {
    expect(() => decodeBlock("/the/key", text)).toThrowError(reason);
    expect(() => decodeBlock("/the/key", text)).toThrowError("/the/key");
  });
});

describe("affinities, handles and the configuration", () => {
  it("write an affinity as Calico does and read old values as confirmed", () => {
    expect(encodeAffinity("confirmed")).toBe('{"state":"confirmed","deleted":false}');
    expect(decodeAffinity("/k", encodeAffinity("pendingDeletion"))).toBe("pendingDeletion");
    expect(decodeAffinity("/k", "")).toBe("confirmed");
    expect(decodeAffinity("/k", '{"state":"","deleted":false}')).toBe("confirmed");
    expect(decodeAffinity("/k", '{"state":"confirmed","deleted":true}')).toBeUndefined();
    expect(() => decodeAffinity("/k", '{"state":"odd"}')).toThrowError('state is "odd"');
  });

  it("keep a handle byte for byte, unknown fields included", () => {
    const text = '{"block":{"10.244.7.64/29":1,"10.244.8.0/29":2},"deleted":false,"more":[1]}';
    const handle = decodeHandle("/k", text);
    if (handle === undefined) throw new Error("no handle");
    expect(encodeHandle(handle)).toBe(text);
    expect(() => decodeHandle("/k", '{"block":{"x":1}}')).toThrowError('block["x"]');
  });

  it("tell an absent configuration from an empty one", () => {
    const defaults = { strictAffinity: false, autoAllocateBlocks: true, maxBlocksPerHost: 0, cooldownSec: 0 };
    expect(decodeConfig("/k", undefined)).toEqual(defaults);
    expect(decodeConfig("/k", "{}")).toEqual({ ...defaults, autoAllocateBlocks: false });
    const full = '{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":4,"ipCooldownSeconds":30}';
    expect(decodeConfig("/k", full)).toEqual({
      strictAffinity: true,
      autoAllocateBlocks: true,
      maxBlocksPerHost: 4,
      cooldownSec: 30,
    });
  });
});

import { expect, it } from "vitest";
import { allocate, type Block, disowned, newBlock, release } from "../../../src/ipam/block.ts";
import { encodeBlock } from "../../../src/ipam/codec.ts";
import { Prefix } from "../../../src/net/prefix.ts";

const claimedMs = Date.parse("2026-01-02T03:04:05Z");
const tunnel = { handleId: "ipip-tunnel-addr-worker-0", attributes: { type: "ipipTunnelAddress", node: "worker-0" } };
const pod = {
  handleId: "k8s-pod-network.9f3b",
  attributes: { pod: "web-0", namespace: "shop", node: "worker-0", timestamp: "2026-01-02 04:00:00.1 +0000 UTC" },
};
const head = '{"cidr":"10.244.7.64/29","affinity":"host:worker-0","affinity_claim_time":"2026-01-02T03:04:05Z"';
const tunnelText =
  '{"handle_id":"ipip-tunnel-addr-worker-0","secondary":{"node":"worker-0","type":"ipipTunnelAddress"}}';
const podText =
  '{"handle_id":"k8s-pod-network.9f3b","secondary":{"namespace":"shop","node":"worker-0","pod":"web-0","timestamp":"2026-01-02 04:00:00.1 +0000 UTC"}}';

/** A block's life, and the bytes that Calico would have stored after each step. */
const steps: readonly (readonly [string, (block: Block) => Block, string])[] = [
  [
    "the claim",
    () => newBlock(Prefix.parse("10.244.7.64/29"), "worker-0", claimedMs),
    `${head},"allocations":[null,null,null,null,null,null,null,null],"unallocated":[0,1,2,3,4,5,6,7],"attributes":null,"sequenceNumber":1767323045000000000,"sequenceNumberForAllocation":{},"deleted":false}`,
  ],
  [
    "a tunnel's address",
    (block) => allocate(block, 1, tunnel).block,
    `${head},"allocations":[0,null,null,null,null,null,null,null],"unallocated":[1,2,3,4,5,6,7],"attributes":[${tunnelText}],"sequenceNumber":1767323045000000001,"sequenceNumberForAllocation":{"0":1767323045000000000},"deleted":false}`,
  ],
  [
    "two of a pod, which share an attribute",
    (block) => allocate(block, 2, pod).block,
    `${head},"allocations":[0,1,1,null,null,null,null,null],"unallocated":[3,4,5,6,7],"attributes":[${tunnelText},${podText}],"sequenceNumber":1767323045000000002,"sequenceNumberForAllocation":{"0":1767323045000000000,"1":1767323045000000001,"2":1767323045000000001},"deleted":false}`,
  ],
  [
    "the release of one with a cooldown",
    (block) => release(block, [1], claimedMs + 60_000, 30),
    `${head},"allocations":[0,2,1,null,null,null,null,null],"unallocated":[3,4,5,6,7],"attributes":[${tunnelText},${podText},{"releasedAt":"2026-01-02T03:05:05Z"}],"sequenceNumber":1767323045000000003,"sequenceNumberForAllocation":{"0":1767323045000000000,"1":1767323045000000002,"2":1767323045000000001},"deleted":false}`,
  ],
  [
    "the release of the tunnel's at once, and of what has cooled down",
    (block) => release(block, [0], claimedMs + 120_000, 0),
    `${head},"allocations":[null,null,0,null,null,null,null,null],"unallocated":[3,4,5,6,7,0,1],"attributes":[${podText}],"sequenceNumber":1767323045000000004,"sequenceNumberForAllocation":{"2":1767323045000000001},"deleted":false}`,
  ],
  [
    "the end of its node",
    disowned,
    `{"cidr":"10.244.7.64/29","affinity":null,"allocations":[null,null,0,null,null,null,null,null],"unallocated":[3,4,5,6,7,0,1],"attributes":[${podText}],"sequenceNumber":1767323045000000005,"sequenceNumberForAllocation":{"2":1767323045000000001},"deleted":false}`,
  ],
];

it("a block is stored byte for byte as Calico stores it, from its claim to the end of its node", () => {
  let block = newBlock(Prefix.parse("10.244.7.64/29"), "worker-0", claimedMs);
  for (const [step, change, text] of steps) {
    block = change(block);
    expect(encodeBlock(block), step).toBe(text);
  }
});

import { describe, expect, it } from "vitest";
import { PacketMemory } from "../../../src/sys/packet-memory.ts";
import { PathMtus } from "../../../src/tunnel/path-mtus.ts";
import { writeFragmentHeader } from "../../../src/tunnel/pieces.ts";
import { writeTooBig } from "../../../src/tunnel/too-big.ts";
import { naiveSum, tcpPacket } from "../../support/tcp-packets.ts";

const packet = tcpPacket({ payload: new Uint8Array(1400) });
const TO = 2000;

function answerTo(bytes: Uint8Array): Uint8Array {
  const memory = new PacketMemory(2400);
  memory.bytes.set(bytes);
  return memory.bytes.slice(TO, TO + writeTooBig(memory, 0, TO, 1380));
}

describe("the answer to a packet that is too large", () => {
  it("is an ICMP message to its sender with the limit and the beginning of the packet", () => {
    const answer = answerTo(packet);
    const view = new DataView(answer.buffer);
    expect(answer.length).toBe(20 + 8 + 28);
    expect([view.getUint8(0), view.getUint16(2), view.getUint8(9)]).toEqual([0x45, answer.length, 1]);
    expect(view.getUint32(16)).toBe(0x0af40001);
    expect([view.getUint8(20), view.getUint8(21), view.getUint16(26)]).toEqual([3, 4, 1380]);
    expect(naiveSum(answer.slice(20))).toBe(0xffff);
    expect(answer.slice(28)).toEqual(packet.slice(0, 28));
  });

  it.each<[string, (bytes: Uint8Array) => void]>([
    ["an ICMP error", (bytes) => bytes.set([1], 9) ?? bytes.set([3], 20)],
    ["a later fragment", (bytes) => bytes.set([0x00, 0x10], 6)],
    ["a packet from nowhere", (bytes) => bytes.set([0, 0, 0, 0], 12)],
    ["a packet from a multicast address", (bytes) => bytes.set([224], 12)],
  ])("is none to %s", (_what, change) => {
    const bytes = packet.slice();
    change(bytes);
    expect(answerTo(bytes)).toHaveLength(0);
  });

  it("is given to an echo request", () => {
    const bytes = packet.slice();
    bytes.set([1], 9);
    bytes.set([8], 20);
    expect(answerTo(bytes)).not.toHaveLength(0);
  });
});

it("numbers fragments of a fragment from where that begins, and ends only what ended", () => {
  const memory = new PacketMemory(4096);
  memory.bytes.set(tcpPacket({ fragment: 0x2000 | 10, payload: new Uint8Array(1000) }));
  const fieldOf = (offset: number, isLast: boolean) => {
    writeFragmentHeader(memory, { from: 0, to: TO }, { offset, length: 400, isLast });
    expect(naiveSum(memory.bytes.slice(TO, TO + 20))).toBe(0xffff);
    return [memory.view.getUint16(TO + 6), memory.view.getUint16(TO + 2)];
  };
  expect([fieldOf(0, false), fieldOf(400, true)]).toEqual([
    [0x2000 | 10, 420],
    [0x2000 | 60, 420],
  ]);
  memory.view.setUint16(6, 10);
  expect(fieldOf(400, true)).toEqual([60, 420]);
});

describe("what is known of paths", () => {
  it("is what the kernel says when something was too large, until the kernel has forgotten", () => {
    let nowMs = 0;
    let kernel: number | undefined = 1400;
    const asked: number[] = [];
    const ask = (node: number) => {
      asked.push(node);
      return kernel;
    };
    const paths = new PathMtus({ ask, nowMs: () => nowMs });
    expect([paths.limit(1), asked]).toEqual([Number.POSITIVE_INFINITY, []]);
    expect([paths.learn(1), paths.limit(1), paths.limit(2)]).toEqual([1400, 1400, Number.POSITIVE_INFINITY]);
    expect(asked).toEqual([1]);
    nowMs = 6_000;
    kernel = 1300;
    expect([paths.limit(1), paths.limit(1), asked]).toEqual([1300, 1300, [1, 1]]);
    nowMs = 12_000;
    kernel = 1500;
    expect([paths.limit(1), paths.limit(1), asked.length]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      3,
    ]);
    kernel = undefined;
    expect(paths.learn(1)).toBe(Number.POSITIVE_INFINITY);
  });
});

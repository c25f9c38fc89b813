import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PacketMemory } from "../../../src/sys/packet-memory.ts";
import { Coalescer } from "../../../src/tunnel/coalescer.ts";
import { deviceHeaderBytes, segmentBytes } from "../../../src/tunnel/device-header.ts";
import { tcpHeadersLength, writeSegmentHeaders } from "../../../src/tunnel/pieces.ts";
import { naiveChecksum, type TcpShape, tcpPacket } from "../../support/tcp-packets.ts";

const mtu = 1480;
const PSH = 0x08;
const ACK = 0x10;

interface Written {
  readonly packets: number;
  /** Payload of each segment that the device is to cut; 0: none. */
  readonly segment: number;
  readonly bytes: Uint8Array;
}

/** What the device gets of a batch of packets. */
function write(batch: readonly Uint8Array[]): Written[] {
  const memory = new PacketMemory(512 * 1024);
  const written: Written[] = [];
  const coalescer = new Coalescer(memory, 256 * 1024, (parts, packets) => {
    const pieces = Array.from({ length: parts.length / 2 }, (_, index) => {
      const at = parts[2 * index] ?? 0;
      return memory.bytes.slice(at, at + (parts[2 * index + 1] ?? 0));
    });
    expect(pieces[0]?.length).toBe(deviceHeaderBytes);
    const bytes = Uint8Array.from(pieces.slice(1).flatMap((piece) => [...piece]));
    written.push({ packets, segment: segmentBytes(memory.view, parts[0] ?? 0), bytes });
  });
  coalescer.begin(mtu);
  let at = 0;
  for (const packet of batch) {
    memory.bytes.set(packet, at);
    coalescer.add(at, packet.length);
    at += (packet.length + 31) & ~15;
  }
  coalescer.flush();
  return written;
}

/** What the kernel makes of what was written: segments, by our own cutting, which has a test of its own. */
function cut({ segment, bytes }: Written): Uint8Array[] {
  if (segment === 0) return [bytes];
  const memory = new PacketMemory((bytes.length + 2 * mtu + 15) & ~7);
  memory.bytes.set(bytes);
  const to = (bytes.length + 7) & ~7;
  const headers = tcpHeadersLength(memory.view, 0);
  const total = bytes.length - headers;
  return Array.from({ length: Math.ceil(total / segment) }, (_, index) => {
    const offset = index * segment;
    const length = Math.min(segment, total - offset);
    writeSegmentHeaders(memory, { from: 0, to, headers }, { index, offset, length, total });
    return Uint8Array.from([
      ...memory.bytes.slice(to, to + headers),
      ...memory.bytes.slice(headers + offset, headers + offset + length),
    ]);
  });
}

const payload = (length: number, seed = 1) => Uint8Array.from({ length }, (_, index) => (index * 7 + seed) & 255);

/** Segments of one flow without a gap. */
function flow(count: number, shape: Omit<TcpShape, "payload"> = {}, size = 1000): Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    tcpPacket({
      identification: index,
      ...shape,
      sequence: ((shape.sequence ?? 1) + index * size) >>> 0,
      payload: payload(size, index),
    }),
  );
}

describe("segments of a flow that follow each other", () => {
  it("become one packet, which cut again is what came", () => {
    const packets = flow(5, { options: [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2] }, 1003);
    const [written, ...more] = write(packets);
    expect(more).toEqual([]);
    expect(written).toMatchObject({ packets: 5, segment: 1003 });
    expect(written && cut(written)).toEqual(packets);
  });

  it("end with one that is shorter, or that pushes", () => {
    const last = tcpPacket({ sequence: 2001, identification: 2, flags: ACK | PSH, payload: payload(1000) });
    const after = tcpPacket({ sequence: 3001, identification: 3, payload: payload(1000) });
    const written = write([...flow(2), last, after]);
    expect(written.map(({ packets }) => packets)).toEqual([3, 1]);
    expect(written.flatMap(cut)).toEqual([...flow(2), last, after]);
    const short = tcpPacket({ sequence: 2001, identification: 2, payload: payload(10) });
    expect(write([...flow(2), short, ...flow(2, { sequence: 2011 })]).map(({ packets }) => packets)).toEqual([3, 2]);
  });

  it("may be mixed with those of other flows, and go over the end of the sequence numbers", () => {
    const [left, right] = [flow(4, { sequence: 2 ** 32 - 1500 }), flow(4, { sourcePort: 1001 })];
    const mixed = left.flatMap((packet, index) => [packet, right[index] ?? packet]);
    const written = write(mixed);
    expect(written.map(({ packets }) => packets)).toEqual([4, 4]);
    expect(written.flatMap(cut)).toEqual([...left, ...right]);
  });

  it.each<[string, (packets: Uint8Array[]) => Uint8Array[]]>([
    ["a gap", ([first, , third]) => [first, third].filter((each) => each !== undefined)],
    ["the wrong order", (packets) => packets.reverse()],
    [
      "a wrong checksum",
      (packets) =>
        packets.map((packet) => {
          const bad = packet.slice();
          bad[bad.length - 1] = (bad.at(-1) ?? 0) ^ 1;
          return bad;
        }),
    ],
    ["another acknowledgement each", () => [1, 2, 3].flatMap((acknowledgement) => flow(1, { acknowledgement }))],
    ["no don't-fragment and the same identification", () => flow(3, { fragment: 0, identification: 5 })],
    ["a flag that says more", () => flow(3, { flags: ACK | 0x01 })],
  ])("stay as they are with %s", (_what, change) => {
    const packets = change(flow(3));
    const written = write(packets);
    expect(written.map(({ segment }) => segment)).toEqual(packets.map(() => 0));
    expect(written.map(({ bytes }) => bytes)).toEqual(packets);
  });
});

it("never changes an octet, nor the order within a flow, whatever comes", () => {
  const shape = fc.record({
    sourcePort: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    size: fc.constantFrom(0, 1, 500, 500, 500, 1440),
    flags: fc.constantFrom(ACK, ACK, ACK, ACK | PSH, ACK | 0x01, 0x02),
    gap: fc.constantFrom(0, 0, 0, 0, 1),
    fragment: fc.constantFrom(0x4000, 0x4000, 0, 0x2000),
    breaks: fc.constantFrom(false, false, false, false, true),
  });
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 60 }), (shapes) => {
      const next = new Map<number, { sequence: number; identification: number }>();
      const packets = shapes.map(({ sourcePort, size, flags, gap, fragment, breaks }, index) => {
        const state = next.get(sourcePort) ?? { sequence: 1, identification: 0 };
        const sequence = state.sequence + gap;
        const packet = tcpPacket({ ...state, sourcePort, flags, fragment, sequence, payload: payload(size, index) });
        if (breaks) packet[36] = (packet[36] ?? 0) ^ 1;
        next.set(sourcePort, { sequence: sequence + size, identification: state.identification + 1 });
        return packet;
      });
      const out = write(packets).flatMap(cut);
      const portOf = (packet: Uint8Array) => (packet[20] ?? 0) * 256 + (packet[21] ?? 0);
      for (const port of next.keys())
        expect(out.filter((packet) => portOf(packet) === port)).toEqual(
          packets.filter((packet) => portOf(packet) === port),
        );
      expect(out).toHaveLength(packets.length);
    }),
    { numRuns: 300 },
  );
});

describe("a TCP packet that is cut", () => {
  it("becomes segments with right checksums, of which the last alone pushes and the first alone says CWR", () => {
    const whole = tcpPacket({
      flags: 0x80 | ACK | PSH | 0x01,
      identification: 0xffff,
      sequence: 2 ** 32 - 10,
      payload: payload(2501),
    });
    const segments = cut({ packets: 1, segment: 1000, bytes: whole });
    expect(segments.map((each) => each.length - 40)).toEqual([1000, 1000, 501]);
    expect(segments.map((each) => each[33])).toEqual([0x80 | ACK, ACK, ACK | PSH | 0x01]);
    const views = segments.map((each) => new DataView(each.buffer));
    expect(views.map((view) => view.getUint32(24))).toEqual([2 ** 32 - 10, 990, 1990]);
    expect(views.map((view) => view.getUint16(4))).toEqual([0xffff, 0, 1]);
    expect(views.map((view) => view.getUint16(36))).toEqual(segments.map(naiveChecksum));
    expect(segments.flatMap((each) => [...each.slice(40)])).toEqual([...payload(2501)]);
  });
});

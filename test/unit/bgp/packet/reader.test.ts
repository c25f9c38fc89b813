import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { plainBytes, Reader } from "../../../../src/bgp/packet/reader.ts";
import { Writer } from "../../../../src/bgp/packet/writer.ts";
import { fromHex, toHex } from "./sessions.ts";

describe("the bounded reader", () => {
  test("reads every kind of number in network order", () => {
    const reader = Reader.of(fromHex("01 0203 fffefdfc 8000000000000001 0a0b0c c0a80001"));
    expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([1, 0x0203, 0xfffefdfc, 2n ** 63n + 1n]);
    expect(reader.leftAligned(3)).toBe(0x0a0b0c00);
    expect(reader.leftAligned(0)).toBe(0);
    expect(reader.ipv4().toString()).toBe("192.168.0.1");
    expect([reader.remaining, reader.overran]).toEqual([0, false]);
  });

  test("gives nothing from behind its range, and says that it was asked to", () => {
    const outer = Reader.of(fromHex("0102 ffffffffffffffffffffffffffffffff"));
    const inner = outer.take(2);
    const reads = [
      (reader: Reader) => reader.u32(),
      (reader: Reader) => reader.leftAligned(3),
      (reader: Reader) => Number(reader.u64()),
      (reader: Reader) => reader.take(3).copyRest().length,
      (reader: Reader) => reader.ipv6().w0,
    ];
    for (const read of reads) {
      const reader = Reader.of(inner.copyAll());
      expect(read(reader)).toBe(0);
      expect([reader.remaining, reader.overran, reader.u8(), reader.peek()]).toEqual([0, true, 0, undefined]);
    }
    inner.u32();
    expect([inner.u8(), inner.u16(), inner.take(1).remaining, inner.remaining]).toEqual([0, 0, 0, 0]);
    expect(outer.overran).toBe(false);
  });

  test("copies what is to outlive the octets", () => {
    const bytes = Buffer.from("cafe01", "hex");
    const reader = Reader.of(plainBytes(bytes));
    reader.u8();
    const [all, rest] = [reader.copyAll(), reader.copyRest()];
    bytes.fill(0);
    expect([toHex(all), toHex(rest), reader.remaining]).toEqual(["cafe01", "fe01", 0]);
  });
});

describe("the writer", () => {
  test("grows as it must and keeps what was written", () => {
    const writer = new Writer(1)
      .u8(1)
      .u16(0x0203)
      .u32(0xfffefdfc)
      .u64(2n ** 63n + 1n)
      .leftAligned(0x0a0b0c0d, 3);
    expect(toHex(writer.bytes(fromHex("ee")).toBytes())).toBe("010203fffefdfc80000000000000010a0b0cee");
    writer.clear();
    expect(writer.length).toBe(0);
  });
});

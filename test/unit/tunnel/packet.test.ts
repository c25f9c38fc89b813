import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describeForDevice } from "../../../src/tunnel/device-header.ts";
import { checkInner, decapsulate, dropReasons, encapsulate, headerBytes } from "../../../src/tunnel/packet.ts";

/** Where the inner packet begins in `memory`. */
const AT = 40;
const source = 0x0af40001;
const destination = 0x0af40101;
const node = 0xac1e0002;

interface Shape {
  readonly tos?: number;
  readonly fragment?: number;
  readonly protocol?: number;
  readonly payload?: Uint8Array;
}

/** An IPv4 packet at AT with a right checksum. */
function packet({ tos = 0, fragment = 0, protocol = 17, payload = new Uint8Array(8) }: Shape = {}): DataView {
  const view = new DataView(new ArrayBuffer(AT + headerBytes + payload.length));
  view.setUint8(AT, 0x45);
  view.setUint8(AT + 1, tos);
  view.setUint16(AT + 2, headerBytes + payload.length);
  view.setUint16(AT + 6, fragment);
  view.setUint8(AT + 8, 63);
  view.setUint8(AT + 9, protocol);
  view.setUint32(AT + 12, source);
  view.setUint32(AT + 16, destination);
  view.setUint16(AT + 10, ~sum(view, AT, headerBytes) & 0xffff);
  new Uint8Array(view.buffer).set(payload, AT + headerBytes);
  return view;
}

function sum(view: DataView, at: number, length: number, start = 0): number {
  let total = start;
  for (let word = 0; word < length; word += 2) total += view.getUint16(at + word);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

const hex = (view: DataView, from: number, to: number) => Buffer.from(view.buffer).toString("hex", from, to);

describe("encapsulate", () => {
  it("writes the header that the kernel's tunnel would, with zeros where the kernel fills in", () => {
    const view = packet();
    encapsulate(view, AT, node, false);
    expect(hex(view, AT - headerBytes, AT)).toBe("4500003000000000" + "3f040000" + "00000000" + "ac1e0002");
  });

  it.each([
    ["an inner packet that must not be cut", { fragment: 0x4000 }, false, { fragment: 0x4000 }],
    ["path MTU discovery", {}, true, { fragment: 0x4000 }],
    ["an inner fragment", { fragment: 0x2000 }, false, { fragment: 0 }],
    ["a DSCP", { tos: 0xb8 }, false, { tos: 0 }],
    ["ECT(1)", { tos: 1 }, false, { tos: 1 }],
    ["ECT(0)", { tos: 2 }, false, { tos: 2 }],
    ["congestion experienced before the tunnel", { tos: 3 }, false, { tos: 2 }],
  ])("for %s", (_name, shape, dontFragment, { tos = 0, fragment = 0 }: Shape) => {
    const view = packet(shape);
    encapsulate(view, AT, node, dontFragment);
    expect([view.getUint8(AT - 19), view.getUint16(AT - 14)]).toEqual([tos, fragment]);
  });
});

describe("decapsulate", () => {
  const total = 2 * headerBytes + 8;

  function tunnelled(shape: Shape, outerTos: number): DataView {
    const view = packet(shape);
    encapsulate(view, AT, node, false);
    view.setUint8(AT - 19, outerTos);
    return view;
  }

  it("finds the inner packet, also behind options", () => {
    const view = tunnelled({}, 0);
    expect(decapsulate(view, AT - headerBytes, total)).toBe(AT);
    // Eight octets of options, read as a header of seven words.
    view.setUint8(AT - 28, 0x47);
    view.setUint16(AT - 26, total + 8);
    view.setUint8(AT - 19, 4);
    expect(decapsulate(view, AT - 28, total + 8)).toBe(AT);
  });

  it.each([
    [0, 3, "congestionMark"],
    [0, 2, AT],
    [2, 3, AT],
    [3, 3, AT],
  ])("with ECN %i inside and %i outside", (inner, outer, expected) => {
    expect(decapsulate(tunnelled({ tos: inner }, outer), AT - headerBytes, total)).toBe(expected);
  });

  it("carries ECT(1) over to ECT(0) inside, and to nothing else (RFC 6040 §4.2)", () => {
    const markInside = (inner: number) => {
      const view = tunnelled({ tos: 0xb8 | inner }, 1);
      decapsulate(view, AT - headerBytes, total);
      expect(sum(view, AT, headerBytes)).toBe(0xffff);
      return view.getUint8(AT + 1);
    };
    expect([0, 1, 2, 3].map(markInside)).toEqual([0xb8, 0xb9, 0xb9, 0xbb]);
  });

  it("carries a congestion mark inside with a right checksum", () => {
    fc.assert(
      fc.property(fc.nat(63), fc.constantFrom(1, 2), fc.nat(0x3fff), (dscp, ecn, fragment) => {
        const view = tunnelled({ tos: (dscp << 2) | ecn, fragment }, 3);
        decapsulate(view, AT - headerBytes, total);
        expect(view.getUint8(AT + 1)).toBe((dscp << 2) | 3);
        expect(sum(view, AT, headerBytes)).toBe(0xffff);
      }),
    );
  });

  it("gives every octets a place or a reason, and never reads beyond them", () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      // Nearly right ones.
      fc.tuple(fc.nat(total), fc.nat(total - 1), fc.nat(255)).map(([length, position, value]) => {
        const bytes = new Uint8Array(tunnelled({}, 0).buffer).slice(AT - headerBytes, AT - headerBytes + total);
        bytes[position] = value;
        return bytes.slice(0, length);
      }),
    );
    fc.assert(
      fc.property(octets, (bytes) => {
        const view = new DataView(Uint8Array.from([...new Uint8Array(headerBytes), ...bytes]).buffer);
        const result = decapsulate(view, headerBytes, bytes.length);
        if (typeof result === "string") expect(dropReasons).toContain(result);
        else {
          expect(result + view.getUint16(result + 2)).toBeLessThanOrEqual(headerBytes + bytes.length);
          describeForDevice(view, 0, result, 1480);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("checkInner", () => {
  it.each([
    ["nothing", "", "malformed"],
    ["IPv6", "60".padEnd(80, "0"), "notIpv4"],
    ["a cut header", "45".padEnd(38, "0"), "malformed"],
    ["a header shorter than a header", "44000014".padEnd(40, "0"), "malformed"],
    ["a length shorter than the header", "45000013".padEnd(40, "0"), "malformed"],
    ["a length longer than the packet", "45000015".padEnd(40, "0"), "malformed"],
    ["a header alone", "45000014".padEnd(40, "0"), undefined],
    ["a header and octets that do not belong to it", "45000014".padEnd(44, "0"), undefined],
  ])("judges %s", (_name, text, expected) => {
    const bytes = new Uint8Array(Buffer.from(text, "hex"));
    expect(checkInner(new DataView(bytes.buffer), 0, bytes.length)).toBe(expected);
  });
});

describe("describeForDevice", () => {
  const nothing = "00".repeat(10);
  const described = (view: DataView, mtu: number) => {
    describeForDevice(view, AT - 10, AT, mtu);
    return hex(view, AT - 10, AT);
  };
  /** Flags, type, then lengths in the order of this machine, which the tests take for little-endian. */
  const header = (flags: number, type: number, ...words: number[]) =>
    Buffer.concat([Buffer.of(flags, type), Buffer.from(Uint16Array.from(words).buffer)]).toString("hex");

  function tcp(payloadBytes: number, checksum: "partial" | "full"): DataView {
    const payload = new Uint8Array(20 + payloadBytes).fill(1);
    const view = packet({ protocol: 6, payload });
    view.setUint8(AT + headerBytes + 12, 0x50);
    const pseudo = sum(view, AT + 12, 8, 6 + payload.length);
    view.setUint16(AT + headerBytes + 16, checksum === "partial" ? pseudo : pseudo ^ 0xffff);
    return view;
  }

  it("says nothing of a packet with a checksum of its own, of another protocol, and of a fragment", () => {
    expect(described(tcp(100, "full"), 1480)).toBe(nothing);
    expect(described(tcp(9000, "full"), 1480)).toBe(nothing);
    expect(described(packet({ protocol: 1 }), 1480)).toBe(nothing);
    const fragment = tcp(100, "partial");
    fragment.setUint16(AT + 6, 0x2000);
    expect(described(fragment, 1480)).toBe(nothing);
  });

  it("has the device complete a checksum that only the pseudo-header went into", () => {
    expect(described(tcp(100, "partial"), 1480)).toBe(header(1, 0, 0, 0, 20, 16));
  });

  it("has the device cut merged TCP so that every pod can receive the pieces", () => {
    expect(described(tcp(9000, "partial"), 1480)).toBe(header(1, 1, 40, 1240, 20, 16));
    expect(described(tcp(9000, "partial"), 1000)).toBe(header(1, 1, 40, 960, 20, 16));
  });
});

import { closeSync, writeSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { hostIsLittleEndian } from "../../../src/sys/byte-order.ts";
import { createEventFd, pollReadable, receiveDatagram, SyscallError, sendBytes } from "../../../src/sys/libc.ts";
import {
  enableNetlinkOption,
  netlinkAddress,
  netlinkOption,
  openRouteSocket,
} from "../../../src/sys/netlink-socket.ts";

const opened: number[] = [];
const keep = (fd: number): number => {
  opened.push(fd);
  return fd;
};
afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
});

/** RTM_GETLINK for lo, with sequence number 7: nlmsghdr, then ifinfomsg with index 1. Needs no privilege. */
const getLoopback = Buffer.from(
  ["20000000 1200 0100 07000000 00000000", "00000000 01000000 00000000 00000000"].join("").replaceAll(" ", ""),
  "hex",
);

describe("sockaddr_nl", () => {
  test.runIf(hostIsLittleEndian)("is family, padding, port id and group mask", () => {
    expect(Buffer.from(netlinkAddress(0x01020304, 0x40)).toString("hex")).toBe("100000000403020140000000");
  });
});

describe("a route socket", () => {
  test.runIf(hostIsLittleEndian)("carries a request to the kernel and the answer back", () => {
    const fd = keep(openRouteSocket(65_536));
    expect(sendBytes(fd, getLoopback)).toBe(getLoopback.length);
    expect(pollReadable([fd], 1_000)).toEqual([true]);
    const buffer = new Uint8Array(16_384);
    const length = receiveDatagram(fd, buffer) ?? 0;
    expect(length).toBeGreaterThan(32);
    expect(Buffer.from(buffer.subarray(8, 12)).toString("hex")).toBe("07000000");
    expect(receiveDatagram(fd, buffer)).toBeUndefined();
  });

  test.runIf(hostIsLittleEndian)(
    "tells the whole length of what did not fit, and writes within the buffer only",
    () => {
      const fd = keep(openRouteSocket(65_536));
      sendBytes(fd, getLoopback);
      const larger = new Uint8Array(64).fill(0xee);
      expect(receiveDatagram(fd, larger.subarray(16, 48))).toBeGreaterThan(32);
      expect(larger.subarray(0, 16).every((octet) => octet === 0xee)).toBe(true);
      expect(larger.subarray(48).every((octet) => octet === 0xee)).toBe(true);
      expect(larger.subarray(16, 48).every((octet) => octet === 0xee)).toBe(false);
    },
  );

  test("has the options that this kernel knows, and says which it does not", () => {
    const fd = keep(openRouteSocket(65_536));
    expect(Object.values(netlinkOption).map((option) => enableNetlinkOption(fd, option))).toEqual([true, true, true]);
    expect(enableNetlinkOption(fd, 9_999)).toBe(false);
  });
});

describe("pollReadable", () => {
  test("tells which of several descriptors is ready, and waits no longer than asked", () => {
    const [first, second] = [keep(createEventFd()), keep(createEventFd())];
    expect(pollReadable([first, second], 1)).toEqual([false, false]);
    writeSync(second, new Uint8Array(BigUint64Array.of(1n).buffer));
    expect(pollReadable([first, second], 10_000)).toEqual([false, true]);
  });

  test("refuses a descriptor that is not open", () => {
    expect(() => pollReadable([1_000_000], 0)).toThrow(SyscallError);
    expect(() => pollReadable([1_000_000], 0)).toThrow("file descriptor 1000000");
  });
});

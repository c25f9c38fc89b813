import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NetlinkError } from "../../../src/netlink/errors.ts";
import { RequestChannel } from "../../../src/netlink/request-channel.ts";
import {
  bindSocket,
  connectSocket,
  createSocket,
  receiveDatagram,
  SyscallError,
  sendBytes,
} from "../../../src/sys/libc.ts";
import * as captured from "./codec/captured.ts";

/** The sequence number of what was captured, in hex as it stands in a header. */
const SEQUENCE = 7;
const request = new Uint8Array(16);

/** sockaddr_un. */
function unixAddress(path: string): Uint8Array {
  return Buffer.concat([Buffer.from([1, 0]), Buffer.from(`${path}\0`)]);
}

/** A datagram socket whose other end plays the kernel: what it says lies ready before it is asked. */
class ScriptedKernel {
  readonly #folder = mkdtempSync(join(tmpdir(), "calibird-channel-"));
  readonly #kernel = this.#bound("kernel");
  readonly fd = this.#bound("channel");

  constructor() {
    connectSocket(this.fd, unixAddress(join(this.#folder, "kernel")));
    connectSocket(this.#kernel, unixAddress(join(this.#folder, "channel")));
  }

  #bound(name: string): number {
    const fd = createSocket(1, 2, 0);
    bindSocket(fd, unixAddress(join(this.#folder, name)));
    return fd;
  }

  /** Answers with one datagram of messages in hex. */
  says(...messages: string[]): void {
    sendBytes(this.#kernel, Buffer.from(messages.join(""), "hex"));
  }

  /** How many requests have come. */
  heard(): number {
    const buffer = new Uint8Array(1_024);
    let count = 0;
    while (receiveDatagram(this.#kernel, buffer) !== undefined) count++;
    return count;
  }

  close(): void {
    closeSync(this.fd);
    closeSync(this.#kernel);
    rmSync(this.#folder, { recursive: true });
  }
}

/** Sets the flag NLM_F_DUMP_INTR, which is in the first octet of the flags. */
const interrupted = (hex: string): string => `${hex.slice(0, 12)}32${hex.slice(14)}`;
/** Gives a message another sequence number. */
const numbered = (hex: string, sequence: string): string => `${hex.slice(0, 16)}${sequence}${hex.slice(24)}`;

let kernel: ScriptedKernel;
let channel: RequestChannel;
beforeEach(() => {
  kernel = new ScriptedKernel();
  channel = new RequestChannel(kernel.fd);
});
afterEach(() => kernel.close());

describe("a query", () => {
  const query = () => channel.query(request, SEQUENCE, () => {});

  test("brings the datagrams with objects up to the end of the dump", () => {
    kernel.says(captured.routeVia, captured.routeBlackhole);
    kernel.says(captured.routeOnlink, captured.done);
    const outcome = query();
    expect(outcome.kind === "answered" && outcome.chunks.map((chunk) => Buffer.from(chunk).toString("hex"))).toEqual([
      captured.routeVia + captured.routeBlackhole,
      captured.routeOnlink + captured.done,
    ]);
    expect(kernel.heard()).toBe(1);
  });

  test("brings nothing from an empty table", () => {
    kernel.says(captured.done);
    expect(query()).toEqual({ kind: "answered", chunks: [] });
  });

  test("is inconsistent if the kernel says so anywhere, also at the end", () => {
    kernel.says(interrupted(captured.routeVia));
    kernel.says(captured.done);
    expect(query()).toEqual({ kind: "inconsistent" });
    kernel.says(captured.routeVia);
    kernel.says(interrupted(captured.done));
    expect(query()).toEqual({ kind: "inconsistent" });
  });

  test("is inconsistent if the end is missing", () => {
    kernel.says(captured.routeVia);
    expect(query()).toEqual({ kind: "inconsistent" });
  });

  test("is refused with errno and text, whether at once or at the end of the dump", () => {
    kernel.says(numbered(captured.refusedUnknownKind, "07000000"));
    expect(query()).toEqual({ kind: "refused", answer: { errno: 95, text: "Unknown device type" } });
    kernel.says(captured.doneNoTable);
    expect(query()).toEqual({ kind: "refused", answer: { errno: 2, text: "ipv4: FIB table does not exist" } });
  });

  test("passes over what belongs to another one", () => {
    kernel.says(numbered(captured.done, "06000000"), numbered(captured.routeVia, "06000000"));
    kernel.says(captured.routeBlackhole, captured.done);
    const outcome = query();
    expect(outcome.kind === "answered" && outcome.chunks).toHaveLength(1);
  });

  test("pauses during a long answer, so that somebody can look after the events", () => {
    let pauses = 0;
    // More than fit into the socket at once: the script goes on in the pauses.
    const sayMore = (): void => {
      if (++pauses > 3) kernel.says(captured.done);
      else for (let datagram = 0; datagram < 8; datagram++) kernel.says(captured.routeVia);
    };
    for (let datagram = 0; datagram < 8; datagram++) kernel.says(captured.routeVia);
    const outcome = channel.query(request, SEQUENCE, sayMore);
    expect(outcome.kind === "answered" && outcome.chunks).toHaveLength(32);
    expect(pauses).toBeGreaterThan(3);
  });

  test("throws a typed error on octets that are no message", () => {
    kernel.says("0102");
    expect(query).toThrow(NetlinkError);
  });
});

describe("an exchange", () => {
  const exchange = (lastSequence: number) => channel.exchange(request, lastSequence);

  test("is complete with the last message's acknowledgement or refusal", () => {
    kernel.says(captured.acknowledged);
    expect(exchange(11)).toEqual({ kind: "answered", refusals: [], isComplete: true });
    kernel.says(captured.refusedUnknownKind);
    kernel.says(captured.refusedNoDevice);
    expect(exchange(10)).toEqual({
      kind: "answered",
      refusals: [
        { sequence: 9, errno: 95, text: "Unknown device type" },
        { sequence: 10, errno: 19 },
      ],
      isComplete: true,
    });
  });

  test("is not complete without", () => {
    expect(exchange(11)).toEqual({ kind: "answered", refusals: [], isComplete: false });
    kernel.says(captured.refusedNoDevice);
    expect(exchange(11)).toMatchObject({ refusals: [{ sequence: 10 }], isComplete: false });
  });

  test("throws if the socket is of no use", () => {
    expect(() => new RequestChannel(1_000_000).exchange(request, 1)).toThrow(SyscallError);
  });
});

import { describe, expect, test } from "vitest";
import { NetlinkError } from "../../../src/netlink/errors.ts";
import { KernelNetlink } from "../../../src/netlink/kernel-netlink.ts";
import type { BatchOutcome, QueryOutcome } from "../../../src/netlink/worker-messages.ts";
import * as captured from "./codec/captured.ts";
import { nextHop, routeTo } from "./codec/samples.ts";

/** A link whose answers are given; the sequence numbers in them are made to fit. */
function scripted(answers: {
  query?: (attempt: number) => QueryOutcome;
  exchange?: (attempt: number) => Promise<BatchOutcome>;
}) {
  const counts = { queries: 0, exchanges: 0 };
  const netlink = new KernelNetlink({
    async exchange() {
      return await (answers.exchange?.(counts.exchanges++) ?? { kind: "answered", refusals: [], isComplete: true });
    },
    async query(_bytes, sequence) {
      const outcome = answers.query?.(counts.queries++) ?? { kind: "answered", chunks: [] };
      if (outcome.kind === "answered")
        for (const chunk of outcome.chunks) new DataView(chunk.buffer).setUint32(8, sequence, true);
      return outcome;
    },
    async close() {},
  });
  return { netlink, counts };
}

const chunk = (hex: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(hex, "hex"));
const requests = (count: number) =>
  Array.from({ length: count }, () => ({ op: "route-add", route: routeTo("10.0.0.0/8") }) as const);

describe("a dump", () => {
  test("is asked for again while it is inconsistent, and only the whole one counts", async () => {
    const { netlink, counts } = scripted({
      query: (attempt) =>
        attempt < 3 ? { kind: "inconsistent" } : { kind: "answered", chunks: [chunk(captured.linkVeth)] },
    });
    expect((await netlink.links()).map(({ name }) => name)).toEqual(["veth0"]);
    expect(counts.queries).toBe(4);
  });

  test("is given up after ten attempts", async () => {
    const { netlink, counts } = scripted({ query: () => ({ kind: "inconsistent" }) });
    await expect(netlink.addresses()).rejects.toMatchObject({ code: "DUMP_INTERRUPTED" });
    expect(counts.queries).toBe(10);
  });

  test("that is refused says what, by which errno and why", async () => {
    const { netlink } = scripted({ query: () => ({ kind: "refused", answer: { errno: 1, text: "not for you" } }) });
    await expect(netlink.neighbours()).rejects.toMatchObject({
      code: "KERNEL_REFUSED",
      message: "the kernel does not give neighbours: EPERM: not for you",
      details: { errno: 1, errnoName: "EPERM" },
    });
  });

  test("of routes keeps to what was asked for even if the kernel sends everything", async () => {
    const { netlink } = scripted({
      query: () => ({
        kind: "answered",
        chunks: [captured.routeVia, captured.routeBlackhole, captured.routeLargeTable, captured.route6Via].map(chunk),
      }),
    });
    const shown = async (...filter: Parameters<typeof netlink.routes>) =>
      (await netlink.routes(...filter)).map(({ destination }) => `${destination}`);
    expect(await shown({ family: 4 })).toEqual(["10.65.1.0/26", "10.65.0.0/26"]);
    expect(await shown({ family: 4, protocol: 202 })).toEqual(["10.65.0.0/26"]);
    expect(await shown({ table: 1_000 })).toEqual(["10.65.4.0/26"]);
    expect(await shown()).toEqual(["10.65.1.0/26", "10.65.0.0/26", "fd00:65:1::/122"]);
  });
});

describe("a look-up", () => {
  test("that was refused with a text is an error, and not the absence of a route", async () => {
    const { netlink } = scripted({ query: () => ({ kind: "refused", answer: { errno: 22, text: "ipv4: Invalid" } }) });
    const { destination } = routeTo("10.0.0.1/32");
    await expect(netlink.routeTo(destination.address)).rejects.toMatchObject({ code: "KERNEL_REFUSED" });
  });
});

describe("execute", () => {
  test("has no more than four slices on their way", async () => {
    let onTheirWay = 0;
    let most = 0;
    const { netlink } = scripted({
      exchange: async () => {
        most = Math.max(most, ++onTheirWay);
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
        onTheirWay--;
        return { kind: "answered", refusals: [], isComplete: true };
      },
    });
    const results = await netlink.execute(requests(10_000));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(results).toHaveLength(10_000);
    expect(most).toBe(4);
  });

  test("rejects with the link's error, and leaves no rejection unheard", async () => {
    const unheard: unknown[] = [];
    const hear = (reason: unknown): number => unheard.push(reason);
    process.on("unhandledRejection", hear);
    const { netlink } = scripted({
      exchange: () => Promise.reject(new NetlinkError("WORKER_FAILED", "gone")),
    });
    await expect(netlink.execute(requests(5_000))).rejects.toMatchObject({ code: "WORKER_FAILED" });
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", hear);
    expect(unheard).toEqual([]);
  });

  test("makes results of nothing where nothing can be encoded", async () => {
    const { netlink, counts } = scripted({});
    const route = routeTo("10.0.0.0/8", { nextHops: [nextHop("10.0.0.1", { interfaceIndex: -1 })] });
    expect(await netlink.execute([{ op: "route-add", route }])).toMatchObject([{ ok: false, code: "EINVAL" }]);
    expect(counts.exchanges).toBe(0);
  });
});

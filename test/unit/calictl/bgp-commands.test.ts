import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnixApiServer } from "../../../src/agent/api/unix-server.ts";
import type { HistoryView, PeerRoutesView } from "../../../src/agent/api/views.ts";
import { runCalictl } from "../../../src/calictl/program.ts";
import { silentLogger } from "../../../src/core/logger.ts";

const now = Date.parse("2026-01-02T03:04:05Z");
const event: HistoryView = {
  at: "2026-01-02T03:04:00.000Z",
  kind: "refused",
  peer: "tor",
  prefix: "10.1.0.0/26",
  text: "not taken: policy import rule x rejected",
  rule: null,
};
const answer: PeerRoutesView = {
  peer: "tor",
  direction: "received",
  total: 3,
  routes: [
    {
      prefix: "10.1.0.0/26",
      pathId: 7,
      nextHop: "10.0.0.9",
      state: "best",
      reason: null,
      rule: null,
      stale: false,
      bgp: {
        peer: "tor",
        asPath: "65001",
        localPref: null,
        med: 5,
        origin: "igp",
        communities: ["65001:1"],
        originatorId: null,
        clusterList: [],
        onlyToCustomer: null,
      },
    },
  ],
};

let folder: string;
let server: UnixApiServer;
const asked: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-bgp-cli-"));
  server = new UnixApiServer({
    path: join(folder, "status.sock"),
    mode: 0o600,
    routes: [
      {
        method: "GET",
        path: "/v1/history",
        handle: ({ query }) => {
          asked.push(query.toString());
          return query.get("prefix") === "192.0.2.1/32" ? [] : [event];
        },
      },
      {
        method: "GET",
        path: "/v1/peers/:peer/received",
        handle: ({ params, query }) => {
          asked.push(`${params.peer} ${query}`);
          return answer;
        },
      },
      { method: "GET", path: "/v1/peers", handle: () => [{ name: "tor", address: "fd00::1", state: "Established" }] },
    ],
    logger: silentLogger,
  });
  await server.start();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function calictl(...argv: string[]) {
  asked.length = 0;
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const code = await runCalictl(["--run-dir", folder, "--wait", "0", ...argv], {
    stdout,
    stderr,
    stdin: Readable.from([""]),
    environment: {},
    colour: false,
    nowMs: () => now,
  });
  return { code, out: String(stdout.read() ?? ""), err: String(stderr.read() ?? "") };
}

describe("calictl routes history", () => {
  it("prints what happened as a table, or as it came", async () => {
    expect((await calictl("routes", "history")).out.split("\n")).toEqual([
      "TIME                       WHAT      PREFIX        PEER   RULE   TEXT",
      "2026-01-02T03:04:00.000Z   refused   10.1.0.0/26   tor    -      not taken: policy import rule x rejected",
      "",
    ]);
    expect(JSON.parse((await calictl("routes", "history", "-o", "json")).out)).toEqual([event]);
    expect(await calictl("routes", "history", "192.0.2.1")).toMatchObject({ code: 0, out: "nothing is remembered\n" });
  });

  it("asks for a prefix and a time", async () => {
    await calictl("routes", "history", "10.1.0.0/26", "--since", "1m5s");
    expect(asked).toEqual(["prefix=10.1.0.0%2F26&since=2026-01-02T03%3A03%3A00.000Z"]);
  });

  it.each([["--since", "yesterday"], ["--since", "-5m"], ["pods"]])("does not understand %s %s", async (...argv) => {
    expect((await calictl("routes", "history", ...argv)).code).toBe(2);
  });
});

describe("calictl bgp neighbor", () => {
  it("prints one side of a session's routes, and that there are more", async () => {
    const { code, out } = await calictl("bgp", "neighbor", "fd00::1", "received");
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "DESTINATION   PATH ID   NEXT HOP   AS PATH   LOCAL PREF   MED   COMMUNITIES   STATE   REASON",
      "10.1.0.0/26         7   10.0.0.9   65001              -     5   65001:1       best    -",
      "1 of 3; more with --limit",
      "",
    ]);
    expect(asked).toEqual(["fd00::1 limit=1000"]);
    await calictl("bgp", "neighbor", "tor", "received", "--prefix", "10.1.0.0/16", "--limit", "5");
    expect(asked).toEqual(["tor limit=5&prefix=10.1.0.0%2F16"]);
  });

  it("prints all about the session without a side", async () => {
    expect((await calictl("bgp", "neighbor", "fd00::1")).out).toContain("name: tor\n");
    expect(JSON.parse((await calictl("bgp", "neighbor", "tor", "-o", "json")).out)).toMatchObject({ name: "tor" });
  });

  it("says what is wrong with the question", async () => {
    expect(await calictl("bgp", "neighbor", "tor", "sent")).toMatchObject({
      code: 2,
      err: expect.stringContaining('"sent" must be received or advertised'),
    });
    expect((await calictl("bgp", "neighbor", "nobody")).err).toContain('there is no BGP peer "nobody"');
  });
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiRequest, UnixApiServer } from "../../../src/agent/api/unix-server.ts";
import type { ExplainView, NodeStatusView, PeerView, RouteView } from "../../../src/agent/api/views.ts";
import type { CommandContext } from "../../../src/calictl/output.ts";
import { runCalictl } from "../../../src/calictl/program.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { version } from "../../../src/core/version.ts";

const now = Date.parse("2026-01-02T03:04:05Z");
const since = "2026-01-02T03:03:00Z";

const remote: RouteView = {
  prefix: "10.244.2.0/26",
  kind: "remote-block",
  mode: "direct",
  nextHop: "10.0.0.2",
  nextHops: ["10.0.0.2"],
  device: "eth1",
  node: "n2",
  protocol: 202,
  metric: 1024,
  bgp: {
    peer: "Mesh_10_0_0_2",
    asPath: "",
    localPref: 2147482623,
    med: null,
    origin: "igp",
    communities: ["64512:100"],
    originatorId: null,
    clusterList: [],
    onlyToCustomer: null,
  },
  state: "installed",
  reason: "learned from Mesh_10_0_0_2, node n2 in pool pods",
  since,
};
const block: RouteView = {
  ...remote,
  prefix: "10.244.1.0/26",
  kind: "local-block",
  mode: "blackhole",
  nextHop: null,
  nextHops: [],
  device: null,
  node: "n1",
  metric: 0,
  bgp: null,
  reason: "own block in pool pods",
};
const stale: RouteView = {
  ...remote,
  prefix: "10.244.3.0/26",
  nextHop: "10.0.0.3",
  nextHops: ["10.0.0.3", "10.0.0.4"],
  device: null,
  node: "n3",
  state: "stale",
  reason: "kept until Mesh_10_0_0_3 is back",
};
const peer: PeerView = {
  name: "Mesh_10_0_0_2",
  description: "node-to-node mesh",
  address: "10.0.0.2",
  port: 179,
  localAs: 64512,
  remoteAs: 64512,
  type: "ibgp",
  passive: true,
  state: "Active",
  since,
  reason: "connection refused",
  routerId: null,
  localAddress: null,
  holdTimeSec: null,
  keepaliveTimeSec: null,
  families: ["ipv4-unicast"],
  authentication: "none",
  minimumTtl: null,
  gracefulRestart: false,
  capabilities: ["route-refresh", "fqdn 0x026e3100"],
  routes: { received: 0, accepted: 0, advertised: 0, stale: 0, discarded: 0 },
  messages: { received: 0, sent: 0, updatesReceived: 0, updatesSent: 0 },
  timesEstablished: 0,
  bfd: null,
};
const status: NodeStatusView = {
  node: {
    name: "n1",
    version,
    ipv4Address: "10.0.0.1/24",
    ipv6Address: "fd00::1/64",
    asNumber: 64512,
    routerId: "10.0.0.1",
    startedAt: since,
    datastore: {
      kind: "embedded",
      places: ["/var/lib/calibird/datastore"],
      member: null,
      reachable: true,
      locked: false,
      asOf: null,
      lastError: null,
    },
    converged: true,
    problems: ["BGPPeer tor: peerIP 10.0.0.254 needs an asNumber"],
    blocks: [{ block: "10.244.1.0/26", pool: "pods", state: "confirmed" }],
    pods: 2,
    ipip: {
      backend: "userspace",
      reason: "kernel has no ipip",
      packets: { sent: 7, received: 5, dropped: { noRoute: 3, tooBig: 0 } },
    },
    udp: { device: "udp.calibird", port: 8285, packets: { sent: 2, received: 1, dropped: { foreign: 4 } } },
    routes: { installed: 2, pending: 0, conflict: 0, stale: 0, unresolved: 0, filtered: 0 },
  },
  peers: [peer],
};
const explained: ExplainView = {
  target: "10.244.9.1",
  verdict: "10.244.9.1 is not reachable by a route of calibird: no node has claimed a block.",
  reachable: false,
  steps: [
    { stage: "pool", verdict: "ok", text: "IPPool pods" },
    { stage: "block", verdict: "problem", text: "no node has claimed a block" },
  ],
  route: null,
};

const differences = [
  { prefix: "10.244.2.0/26", missing: "10.244.2.0/26 via 10.0.0.2, protocol calibird (202)", instead: ["other"] },
  { prefix: "10.244.9.0/26", missing: null, instead: ["unwanted"] },
];

let folder: string;
let servers: UnixApiServer[];
const writes: { method: string; body: unknown; query: string }[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-cli-"));
  const record = ({ method, body, query }: ApiRequest) => {
    writes.push({ method, body, query: query.toString() });
  };
  servers = [
    new UnixApiServer({
      path: join(folder, "status.sock"),
      mode: 0o600,
      routes: [
        { method: "GET", path: "/v1/routes", handle: () => [block, remote, stale] },
        { method: "GET", path: "/v1/route-differences", handle: () => differences },
        { method: "GET", path: "/v1/status", handle: () => status },
        { method: "GET", path: "/v1/node", handle: () => status.node },
        { method: "GET", path: "/v1/peers", handle: () => [] },
        { method: "GET", path: "/v1/explain/:target*", handle: () => explained },
      ],
      logger: silentLogger,
    }),
    new UnixApiServer({
      path: join(folder, "agent.sock"),
      mode: 0o600,
      routes: [
        { method: "PUT", path: "/v1/resources", handle: record },
        {
          method: "DELETE",
          path: "/v1/resources/:kind/:name",
          handle: (request) => {
            record(request);
            return { deleted: request.params.name !== "missing" };
          },
        },
        { method: "GET", path: "/v1/resources/:kind", handle: () => [pool("pods", "10.244.0.0/16")] },
      ],
      logger: silentLogger,
    }),
  ];
  for (const server of servers) await server.start();
});

afterAll(async () => {
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

function pool(name: string, cidr: string) {
  return { apiVersion: "projectcalico.org/v3", kind: "IPPool", metadata: { name }, spec: { cidr } };
}

async function calictl(...argv: string[]) {
  return calictlWith({}, "", ...argv);
}

async function calictlWith(environment: Record<string, string>, stdin: string, ...argv: string[]) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const context: CommandContext = {
    stdout,
    stderr,
    stdin: Readable.from([stdin]),
    environment,
    colour: false,
    nowMs: () => now,
  };
  const code = await runCalictl(["--run-dir", folder, "--wait", "0", ...argv], context);
  return { code, out: String(stdout.read() ?? ""), err: String(stderr.read() ?? "") };
}

describe("calictl", () => {
  it("prints the routes as an aligned table", async () => {
    const { code, out } = await calictl("routes");
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      "DESTINATION     VIA             NODE   STATE       AGE",
      "10.244.1.0/26   blackhole       n1     installed    1m",
      "10.244.2.0/26   10.0.0.2 eth1   n2     installed    1m",
      "10.244.3.0/26   10.0.0.3 (+1)   n3     stale        1m",
      "  kept until Mesh_10_0_0_3 is back",
      "",
    ]);
  });

  it("prints what the kernel has otherwise than it shall, and fails then", async () => {
    const missing = differences[0]?.missing;
    expect(await calictl("routes", "--diff-kernel")).toMatchObject({
      code: 1,
      out: `- other\n+ ${missing}\n- unwanted\n`,
    });
    expect((await calictl("routes", "10.244.9.1", "--diff-kernel")).out).toBe("- unwanted\n");
    expect(JSON.parse((await calictl("routes", "--diff-kernel", "-o", "json")).out)).toEqual(differences);
    expect(await calictl("routes", "192.0.2.1", "--diff-kernel")).toMatchObject({
      code: 0,
      out: "the kernel has the routes that it shall have\n",
    });
    expect(await calictl("routes", "--diff-kernel", "--watch")).toMatchObject({ code: 2 });
  });

  it("selects the routes that cover an address, or overlap a prefix", async () => {
    expect(JSON.parse((await calictl("routes", "10.244.2.7", "-o", "json")).out)).toEqual([remote]);
    expect(JSON.parse((await calictl("routes", "10.244.0.0/16", "-o", "json")).out)).toEqual([block, remote, stale]);
    expect(await calictl("routes", "192.0.2.1")).toMatchObject({ code: 0, out: "no route for 192.0.2.1\n" });
  });

  it("adds BGP's columns with -o wide", async () => {
    const { out } = await calictl("routes", "-o", "wide");
    expect(out).toMatch(/^DESTINATION +KIND +MODE +NEXT HOP +DEVICE +NODE +STATE +AGE .* REASON\n/);
    expect(out).toContain("LOCAL PREF");
    expect(out).toMatch(/10\.244\.2\.0\/26.* 202 .*1024.*Mesh_10_0_0_2.*2147482623.*64512:100/);
  });

  it("shows the node, its problems and why a session is down", async () => {
    const { out } = await calictl("node", "status");
    expect(out).toContain("address 10.0.0.1/24, fd00::1/64   AS 64512   router ID 10.0.0.1");
    expect(out).toContain("Problem: BGPPeer tor: peerIP 10.0.0.254 needs an asNumber");
    expect(out).toContain("IPIP         userspace (kernel has no ipip)   sent 7, received 5, dropped 3 noRoute\n");
    expect(out).toContain("UDP tunnel   udp.calibird, port 8285   sent 2, received 1, dropped 4 foreign\n");
    expect(out).toMatch(/Mesh_10_0_0_2 .* Active .*connection refused/);
  });

  it("shows with -o wide what the peer can do, known to us or not", async () => {
    expect((await calictl("node", "status")).out).not.toContain("fqdn");
    expect((await calictl("node", "status", "-o", "wide")).out).toMatch(
      /CAPABILITIES[\s\S]*route-refresh, fqdn 0x026e3100/,
    );
  });

  it.each(["nonsense", "10.0.0.300", "10.0.0.0/33"])("takes %s for no target of an explanation", async (target) => {
    const { code, out, err } = await calictl("routes", "explain", target);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(`"${target}" is neither an address such as 10.0.0.1 nor a prefix such as 10.0.0.0/26`);
  });

  it("explains, and fails if the target is not reachable", async () => {
    const { code, out } = await calictl("routes", "explain", "10.244.9.1");
    expect(code).toBe(1);
    expect(out).toBe(`ok  pool   IPPool pods\n!!  block  no node has claimed a block\n\n${explained.verdict}\n`);
  });

  it("prints YAML", async () => {
    expect((await calictl("version", "--client", "-o", "yaml")).out).toBe(`client: ${version}\n`);
    expect((await calictl("version", "-o", "yaml")).out).toContain(`client: ${version}\nagent: ${version}\n`);
  });

  it.each([
    [["nonsense"], "unknown command 'nonsense'"],
    [["rotes"], "Did you mean routes?"],
    [["routes", "10.0.0.0/33"], '"10.0.0.0/33" is neither an address such as 10.0.0.1 nor a prefix'],
    [["routes", "-o", "xml"], "-o xml: this command prints wide, json, yaml"],
    [["--wait", "soon", "routes"], "--wait soon: must be a number of seconds"],
  ])("answers %j with status 2 and what would be right", async (argv, message) => {
    const { code, err } = await calictl(...argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });

  it("prints its version", async () => {
    expect(await calictl("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it("prints help with status 0", async () => {
    const { code, out } = await calictl("--help");
    expect(code).toBe(0);
    expect(out).toContain("routes");
  });

  it("says so if there is no agent", async () => {
    const { code, err } = await calictl("--run-dir", join(folder, "nowhere"), "peers");
    expect(code).toBe(1);
    expect(err).toContain(`no agent answers on ${join(folder, "nowhere", "status.sock")}`);
  });
});

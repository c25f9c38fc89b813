import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import { FrrDaemon } from "./support/daemons/frr.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";
import type { RouteWatch } from "./support/route-watch.ts";

const frrAddress = "10.0.0.253";
const prefixes = ["172.31.0.0/24", "172.31.1.0/24", "172.31.2.0/24"];

describe("graceful restart of ours with FRR, which says in every OPEN that it restarts", () => {
  const folder = mkdtempSync(join(tmpdir(), "calibird-interop-"));
  let lab: BirdLab;
  let frr: FrrDaemon;
  let node: AgentNode;
  let watch: RouteWatch;

  const kernelHasAll = () =>
    vi.waitFor(async () => {
      expect((await node.kernelRoutes()).map(({ dst, gateway }) => `${dst} via ${gateway}`).sort()).toEqual(
        prefixes.map((prefix) => `${prefix} via ${frrAddress}`),
      );
      const routes = await node.routes();
      for (const prefix of prefixes)
        expect(routes.find((route) => route.prefix === prefix)).toMatchObject({ state: "installed" });
    }, patient);

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1" } },
      routers: {},
      machines: { frr: frrAddress },
      resources: [globalPeer("frr", frrAddress, 64513)],
    });
    node = lab.node("n1");
    frr = new FrrDaemon({ namespace: lab.networkNamespaceOf("frr"), folder });
    await frr.start({
      as: 64513,
      routerId: frrAddress,
      neighbors: [
        {
          address: node.address,
          localAddress: frrAddress,
          remoteAs: 64512,
          families: ["ipv4-unicast"],
          gracefulRestartSec: 60,
        },
      ],
      networks: prefixes.map((prefix) => ({ prefix })),
    });
    await kernelHasAll();
    watch = await node.watchRoutes();
  });
  afterAll(async () => {
    await frr?.stop();
    await lab?.down();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(["SIGKILL", "SIGTERM", "SIGKILL"] as const)(
    "its routes never leave our kernel when our agent ends by %s and comes back",
    async (signal) => {
      await node.kill(signal);
      await vi.waitFor(() => expect(node.isRunning).toBe(false), patient);
      const logBefore = node.log.length;
      await node.start();
      await vi.waitFor(() => expect(node.log.slice(logBefore)).toContain("BGP has converged"), patient);
      await kernelHasAll();
      for (const prefix of prefixes) expect(await watch.removals(prefix)).toEqual([]);
    },
  );
});

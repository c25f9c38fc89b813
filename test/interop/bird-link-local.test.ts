import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AgentNode } from "./support/agent-node.ts";
import { BirdLab } from "./support/bird-lab.ts";
import type { BirdRouter } from "./support/bird-router.ts";
import { patient } from "./support/patience.ts";
import { globalPeer } from "./support/resources.ts";

const run = promisify(execFile);

/** The address that the kernel has given a machine's interface on the segment, once it may be used. */
async function linkLocalOf(namespace: string): Promise<string> {
  return vi.waitFor(async () => {
    const argv = ["-n", namespace, "-json", "-6", "addr", "show", "dev", "eth1", "scope", "link"];
    const [device] = JSON.parse((await run("ip", argv)).stdout);
    const [address] = device.addr_info;
    expect(address.tentative).toBeUndefined();
    return String(address.local);
  }, patient);
}

const config = (own: string, peer: string, passive: boolean) => `
protocol bgp n1 {
  local ${own} as 64513;
  neighbor ${peer}%eth1 as 64512;
  passive ${passive ? "yes" : "no"};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ipv6 { import all; export none; };
}`;

describe("a session with BIRD between the link-local addresses of a segment", () => {
  let lab: BirdLab;
  let node: AgentNode;
  let router: BirdRouter;
  let ours = "";
  let theirs = "";

  beforeAll(async () => {
    lab = await BirdLab.up({
      nodes: { n1: { address: "10.0.0.1" } },
      routers: { r1: { address: "10.0.0.254", config: "" } },
    });
    node = lab.node("n1");
    router = lab.router("r1");
    [ours, theirs] = await Promise.all([linkLocalOf(node.networkNamespace), linkLocalOf(router.networkNamespace)]);
    await router.configure(config(theirs, ours, true));
    await node.apply(globalPeer("tor", `${theirs}%eth1`, 64513));
  });
  afterAll(() => lab?.down());

  it("comes up when we dial", async () => {
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(true), patient);
    expect(await node.peer(theirs)).toMatchObject({ state: "Established", localAddress: ours, type: "ebgp" });
  });

  it("comes up when BIRD dials and nobody listens there", async () => {
    await node.run(["calictl", "delete", "bgppeer", "tor"]);
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(false), patient);
    // From another port than ours, so that ours finds nobody.
    await router.configure(config(`${theirs} port 1179`, ours, false));
    await node.apply(globalPeer("tor", `${theirs}%eth1`, 64513));
    await vi.waitFor(async () => expect(await router.isEstablished("n1")).toBe(true), patient);
    expect(await node.peer(theirs)).toMatchObject({ state: "Established", localAddress: ours });
  });
});

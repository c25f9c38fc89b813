import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BackgroundProgram } from "./support/background-program.ts";
import { NatLab } from "./support/nat-lab.ts";
import { PingStream } from "./support/ping-stream.ts";

let nat: NatLab;

beforeAll(async () => {
  nat = await NatLab.start();
});
afterAll(() => nat?.down());

const patience = { timeout: 15_000, interval: 100 };
const pods = { cidr: "10.244.0.0/16" };

/** What a host firewall and kube-proxy keep on a node, including translation of what kube-proxy marked. */
const foreignTables = `
table inet host-firewall {
  chain input {
    type filter hook input priority filter; policy accept;
    ct state invalid counter drop
    tcp dport 9 drop
  }
}
table ip kube-proxy {
  chain nat-postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & 0x4000 == 0x4000 masquerade fully-random
  }
  chain services {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 10.96.0.1 tcp dport 443 dnat to 10.0.0.99:7777
  }
}
`;

describe("natOutgoing", () => {
  it("lets a pod reach the world with its node's address", async () => {
    expect(await nat.seenAs("n1/a", "world")).toBe("n1");
    expect(await nat.seenAs("n2/c", "world")).toBe("n2");
  });

  it("leaves packets between pods alone, on one node and between two", async () => {
    expect(await nat.seenAs("n1/a", "n1/b")).toBe("n1/a");
    expect(await nat.seenAs("n1/a", "n2/c")).toBe("n1/a");
    expect(await nat.seenAs("n2/c", "n1/b")).toBe("n2/c");
  });

  it("translates what goes to another node, unless nodes are among the exclusions", async () => {
    expect(await nat.seenAs("n1/a", "n2")).toBe("n1");
    expect(await nat.seenAs("n2/c", "n1")).toBe("n2/c");
    expect(await nat.seenAs("n1/a", "n1")).toBe("n1/a");
  });

  it("leaves the host's own packets alone", async () => {
    expect(await nat.seenAs("n1", "world")).toBe("n1");
    expect(await nat.seenAs("n1", "n2/c")).toBe("n1");
  });

  it("is switched off and on by an edit of the pool, on every node", async () => {
    await nat.applyPool("pods", { ...pods, natOutgoing: false });
    for (const [node, pod] of [
      ["n1", "a"],
      ["n2", "c"],
    ] as const) {
      const set = () => nat.succeed(node, "nft", "list", "set", "ip", "calibird", "masq-ipam-pools");
      await expect.poll(set, patience).not.toContain("10.244");
      // The world has no way back to pods.
      expect(await nat.seenAs(`${node}/${pod}`, "world")).toBe("error: no answer");
      expect(await nat.seenAs("n1/a", "n2/c")).toBe("n1/a");
    }
    await nat.applyPool("pods", { ...pods, natOutgoing: true });
    await expect.poll(() => nat.seenAs("n1/a", "world"), patience).toBe("n1");
    await expect.poll(() => nat.seenAs("n2/c", "world"), patience).toBe("n2");
  });

  it("changes no other table, and works beside a firewall and kube-proxy's translation", async () => {
    await nat.lab.exec("n1", ["nft", "-f", "-"], { input: foreignTables });
    const foreign = () => Promise.all([nat.table("n1", "inet", "host-firewall"), nat.table("n1", "ip", "kube-proxy")]);
    const before = await foreign();
    await nat.applyPool("other", { cidr: "10.50.0.0/16", natOutgoing: true, ipipMode: "Always" });
    await expect
      .poll(() => nat.table("n1", "ip", "calibird"), patience)
      .toMatch(/10\.50\.0\.0\/16(.|\n)*oifname "tunl0"/);
    expect(await nat.seenAs("n1/a", "world")).toBe("n1");
    await nat.succeed("n1", "calictl", "delete", "ippool", "other");
    await expect.poll(() => nat.table("n1", "ip", "calibird"), patience).not.toMatch(/10\.50\.0\.0|tunl0/);
    expect(await foreign()).toEqual(before);
  });

  it("comes back with the next change after somebody flushed all tables", async () => {
    await nat.succeed("n1", "nft", "flush", "ruleset");
    expect(await nat.seenAs("n1/a", "world")).toBe("error: no answer");
    await nat.applyPool("other", { cidr: "10.51.0.0/16", natOutgoing: true });
    await expect.poll(() => nat.seenAs("n1/a", "world"), patience).toBe("n1");
    await nat.succeed("n1", "calictl", "delete", "ippool", "other");
  });

  it("loses no packet and mistranslates no connection while sets and rules change", async () => {
    const pings = await PingStream.start(nat, { node: "n1", pod: "a" }, nat.addressOf("world"), 0.01);
    const { node, argv } = nat.askProgram("n1/b", "world", 1500);
    const connections = new BackgroundProgram(nat, node, argv);
    for (let round = 0; round < 6; round++) {
      await nat.applyPool("other", { cidr: "10.52.0.0/16", natOutgoing: true, vxlanMode: "Always" });
      await expect.poll(() => nat.table("n1", "ip", "calibird"), patience).toMatch(/10\.52\.0\.0(.|\n)*4790/);
      await nat.succeed("n1", "calictl", "delete", "ippool", "other");
      await expect.poll(() => nat.table("n1", "ip", "calibird"), patience).not.toMatch(/10\.52\.0\.0/);
    }
    const report = await pings.stop();
    expect(report.sent).toBeGreaterThan(100);
    expect(report).toMatchObject({ lost: [], errors: [] });
    const answers = (await connections.stop()).trim().split("\n");
    expect(answers.length).toBeGreaterThan(100);
    expect(new Set(answers)).toEqual(new Set([nat.addressOf("n1")]));
  });

  it("is a problem of a node without nft only while a pool asks for it", async () => {
    const problem =
      "Problem: address translation (natOutgoing, tunnels) is not up to date: the program nft is not installed";
    expect(await nat.succeed("n3", "calictl", "node", "status")).toContain(problem);
    await nat.applyPool("pods", { ...pods, natOutgoing: false });
    await expect.poll(async () => (await nat.status("n3")).node.problems, patience).toEqual([]);
    await nat.applyPool("pods", { ...pods, natOutgoing: true });
    await expect.poll(async () => (await nat.status("n3")).node.problems, patience).toHaveLength(1);
    expect((await nat.status("n1")).node.problems).toEqual([]);
  });

  it("stays as it is when the agent stops and when it starts again", async () => {
    await expect.poll(() => nat.seenAs("n1/a", "world"), patience).toBe("n1");
    const before = await nat.table("n1", "ip", "calibird");
    await nat.lab.killNode("n1", "SIGTERM");
    const stateOfMain = () => nat.lab.status().find(({ name }) => name === "n1")?.main.state;
    await expect.poll(stateOfMain, patience).toBe("exited");
    expect(await nat.seenAs("n1/a", "world")).toBe("n1");
    await nat.lab.startNode("n1");
    await expect
      .poll(
        () =>
          nat.status("n1").then(
            () => true,
            () => false,
          ),
        patience,
      )
      .toBe(true);
    // A change that is written and taken back shows that the agent has been at the table.
    await nat.applyPool("other", { cidr: "10.53.0.0/16" });
    await expect.poll(() => nat.table("n1", "ip", "calibird"), patience).toContain("10.53.0.0/16");
    await nat.succeed("n1", "calictl", "delete", "ippool", "other");
    await expect.poll(() => nat.table("n1", "ip", "calibird"), patience).toBe(before);
  });
});

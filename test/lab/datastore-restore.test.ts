import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PodView } from "../../src/agent/api/views.ts";
import { labPaths } from "../../src/lab/runtime/paths.ts";
import { AgentLab, agentNodes, patience } from "./support/agent-lab.ts";

let agents: AgentLab;
let backup: string;
beforeAll(async () => {
  // Four addresses in a block, so that freed ones are soon used again.
  agents = await AgentLab.start({ blockSize: 30 });
  backup = mkdtempSync(join(tmpdir(), "calibird-backup-"));
});
afterAll(async () => {
  await agents?.down();
  if (backup !== undefined) rmSync(backup, { recursive: true, force: true });
});

const store = () => join(labPaths(agents.lab.name).files, "datastore");
const addressesOf = (pods: readonly PodView[]) =>
  Object.fromEntries(pods.map(({ name, addresses }) => [name, addresses]));
const allPods = async () => (await Promise.all(agentNodes.map((node) => agents.pods(node)))).flat();

async function agentsEnd(): Promise<void> {
  for (const node of agentNodes) await agents.lab.killNode(node);
  await vi.waitFor(() => {
    const states = agents.lab.status().filter(({ name }) => agentNodes.some((node) => node === name));
    expect(states.map(({ main }) => main?.state)).toEqual(agentNodes.map(() => "exited"));
  }, patience);
}

describe("a datastore that is put back to an older state while pods run that it does not know", () => {
  it("learns them again before anything is given out: they keep their addresses, and new pods get others", async () => {
    cpSync(store(), backup, { recursive: true });
    // One of the addresses that the backup calls taken has another owner by the time it is put back.
    await agents.deletePod("n1", "n1-b");
    for (const name of ["n1-c", "n1-d", "n1-e", "n1-f"]) await agents.addPod("n1", name);
    for (const name of ["n2-c", "n2-d", "n2-e"]) await agents.addPod("n2", name);
    await agents.settled();
    const before = await allPods();
    const blocks = await agents.blocks("n1");

    await agentsEnd();
    // The folder itself is mounted into the nodes.
    for (const file of readdirSync(store())) rmSync(join(store(), file), { recursive: true });
    cpSync(backup, store(), { recursive: true });
    for (const node of agentNodes) await agents.lab.startNode(node);
    await agents.settled();

    expect(addressesOf(await allPods())).toEqual(addressesOf(before));
    expect(await agents.blocks("n1")).toEqual(expect.arrayContaining(blocks));
    const used = before.flatMap(({ addresses }) => addresses);
    expect(await agents.allocatedAddresses()).toEqual(expect.arrayContaining(used));
    for (const node of ["n1", "n2", "n3"] as const)
      for (const name of ["x", "y", "z"]) {
        const added = await agents.addPod(node, `${node}-${name}`);
        expect(used).not.toContain(added.addresses[0]);
        used.push(...added.addresses);
      }
    expect(new Set(used).size).toBe(used.length);
    await agents.settled();
    expect(await agents.unreachable()).toEqual([]);
    const problems = await Promise.all(agentNodes.map(async (node) => (await agents.status(node)).node.problems));
    expect(problems.flat()).toEqual([]);
  });

  it("has their records again, so that they can be deleted and their addresses used by others", async () => {
    const [address] = (await agents.pods("n1")).find(({ name }) => name === "n1-c")?.addresses ?? [];
    await agents.deletePod("n1", "n1-c");
    expect(await agents.allocatedAddresses()).not.toContain(address);
    expect((await agents.pods("n1")).map(({ name }) => name)).not.toContain("n1-c");
  });
});

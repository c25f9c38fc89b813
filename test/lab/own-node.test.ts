import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AgentLab, patience } from "./support/agent-lab.ts";

let agents: AgentLab;
beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26 });
});
afterAll(() => agents?.down());

describe("a node that is deleted while its agent runs", () => {
  it("is written again, with a warning, and its sessions come back", async () => {
    await agents.succeed("n2", "calictl", "delete", "node", "n1");
    await vi.waitFor(() => expect(agents.log("n1")).toContain("this node was deleted while its agent runs"), patience);
    await agents.settled();
    const peers = await agents.peers("n2");
    expect(peers.find(({ address }) => address === "10.0.0.1")).toMatchObject({ state: "Established" });
    expect(await agents.succeed("n2", "calictl", "get", "node", "n1", "-o", "json")).toContain("10.0.0.1/24");
  });
});

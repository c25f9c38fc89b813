import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { AgentLab, patience } from "./support/agent-lab.ts";

/** RFC 6396 §4: type and subtype of the records of a file. */
function recordKinds(path: string): string[] {
  const octets = readFileSync(path);
  const kinds: string[] = [];
  for (let at = 0; at + 12 <= octets.length; at += 12 + octets.readUInt32BE(at + 8))
    kinds.push(`${octets.readUInt16BE(at + 4)}/${octets.readUInt16BE(at + 6)}`);
  return kinds;
}

describe("agents that shall write MRT files and tell a station that is not there", () => {
  let agents: AgentLab;

  beforeAll(async () => {
    agents = await AgentLab.start({
      blockSize: 26,
      flags: "--mrt-dir /run/calibird/mrt --mrt-tables-interval 1 --bmp-stations 10.0.0.99:11019",
    });
  });
  afterAll(() => agents?.down());

  test("write what comes in and all tables, and serve on", async () => {
    const folder = agents.runFile("n1", "mrt");
    await vi.waitFor(() => {
      expect(existsSync(folder)).toBe(true);
      const files = readdirSync(folder);
      const tables = files.filter((name) => /^rib\..*\.mrt$/.test(name)).sort();
      // One table of peers, and the blocks of the other nodes.
      const kinds = recordKinds(join(folder, tables.at(-1) ?? "none"));
      expect(kinds[0]).toBe("13/1");
      expect(kinds.filter((kind) => kind === "13/2").length).toBeGreaterThan(0);
      const updates = files
        .filter((name) => /^updates\..*\.mrt$/.test(name))
        .map((name) => recordKinds(join(folder, name)));
      expect(updates.flat()).toEqual(expect.arrayContaining(["17/4", "17/5"]));
    }, patience);
  });

  test("say in the node's status that the station is not there", async () => {
    await vi.waitFor(async () => {
      const { node } = await agents.status("n1");
      expect(node.problems).toEqual([expect.stringMatching(/^BMP station 10\.0\.0\.99:11019 is not connected: /)]);
    }, patience);
  });
});

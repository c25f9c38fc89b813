import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseTopology } from "../../../src/lab/topology/topology.ts";

const file = "containerlab/three-nodes.clab.yml";

describe("the three-node topology that comes with calibird", () => {
  const topology = parseTopology(readFileSync(file, "utf8"), file);

  it("uses nothing that this lab does without", () => {
    expect(topology.notices).toEqual([]);
  });

  it("has its three nodes, its router and its segment, each on the segment once", () => {
    expect(topology.nodes.map((node) => node.name)).toEqual(["n1", "n2", "n3", "r1", "underlay"]);
    expect(topology.links.map(({ endpoints: [near, far] }) => [near.node, far.node])).toEqual([
      ["n1", "underlay"],
      ["n2", "underlay"],
      ["n3", "underlay"],
      ["r1", "underlay"],
    ]);
  });

  it("binds only files that are there, apart from the lab's own folder", () => {
    const sources = topology.nodes.flatMap((node) => node.binds.map((bind) => bind.source));
    const missing = sources.filter(
      (source) => !source.startsWith("__clabDir__/") && !existsSync(resolve(dirname(file), source)),
    );
    expect(sources.length).toBeGreaterThan(0);
    expect(missing).toEqual([]);
  });

  it("has no dollar sign, which containerlab would take for a variable of its own", () => {
    expect(readFileSync(file, "utf8")).not.toContain("$");
  });

  it("has an agent with an address, and two pods, on every node", () => {
    for (const name of ["n1", "n2", "n3"]) {
      const node = topology.nodes.find((candidate) => candidate.name === name);
      const address = `10.0.0.${name.slice(1)}/24`;
      expect(node?.command.slice(0, 2)).toEqual(["calibird", "agent"]);
      expect(node?.command).toEqual(expect.arrayContaining(["--node-name", name, "--ip", address]));
      const commands = node?.exec.map((command) => command.argv.join(" ")) ?? [];
      expect(commands[0]).toBe(`ip addr add ${address} dev eth1`);
      expect(commands.slice(-2)).toEqual([`calibird pod add default/${name}-a`, `calibird pod add default/${name}-b`]);
    }
  });
});

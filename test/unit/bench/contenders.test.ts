import { describe, expect, it } from "vitest";
import type { Setup } from "../../../bench/contenders/contender.ts";
import { contendersOf, daemons } from "../../../bench/contenders/index.ts";
import { clientAddress, reflectorClients, tableNeighbours } from "../../../bench/neighbours.ts";
import { scenarios } from "../../../bench/scenarios.ts";

const programs = {
  native: "/n",
  agent: "/a",
  speaker: "/s",
  clusterWriter: "/b/cluster-writer.js",
  ipam: "/b/ipam.js",
  nodeOptions: [],
};
const setup = (others: Partial<Setup>): Setup => ({
  neighbours: tableNeighbours({ second: true }),
  toKernel: false,
  size: 10,
  folder: "/f",
  programs,
  ...others,
});

function namesIn(scenario: string): string[] {
  const found = scenarios.find(({ name }) => name === scenario);
  if (found === undefined) throw new Error(`no scenario ${scenario}`);
  return contendersOf(found, daemons).map(({ name }) => name);
}

describe("contenders", () => {
  it("are the limit, calibird and all wanted daemons", () => {
    expect(namesIn("full-table")).toEqual(["null-relay", "calibird", "bird", "frr", "gobgp", "openbgpd"]);
  });

  it("are only those that install routes where the kernel's routes are measured", () => {
    expect(namesIn("to-kernel")).toEqual(["kernel-writer", "calibird", "bird", "frr"]);
  });

  it("are the agent in scenarios about a node, and the speaker in those about BGP", () => {
    const labels = (name: string) =>
      scenarios.filter((one) => one.name === name).flatMap((one) => contendersOf(one, []).map(({ label }) => label));
    expect(labels("to-kernel")).toContain("calibird (agent)");
    expect(labels("reflector")).toContain("calibird (speaker)");
  });

  it.for(daemons)("have every neighbour in their configuration: $name", (daemon) => {
    const text = Object.values(daemon.launch(setup({})).files).join("");
    for (const { address, as } of tableNeighbours({ second: true })) {
      expect(text).toContain(address);
      expect(text).toContain(String(as));
    }
  });

  it.for(daemons)("reflect routes between clients: $name", (daemon) => {
    const text = Object.values(daemon.launch(setup({ neighbours: reflectorClients(2) })).files).join("");
    expect(text).toMatch(/rr client|route-reflector/);
    expect(Object.values(daemon.launch(setup({})).files).join("")).not.toMatch(/rr client|route-reflector-client/);
  });

  it("install routes only where that is measured", () => {
    const launches = (toKernel: boolean) =>
      daemons.map((daemon) => JSON.stringify(daemon.launch(setup({ toKernel })))).join("\n");
    expect(launches(false)).not.toContain("protocol kernel");
    expect(launches(false)).toContain('"-n"');
    expect(launches(true)).toContain("protocol kernel");
    expect(launches(true)).not.toContain('"-n"');
  });
});

describe("addresses of many neighbours", () => {
  it("are those that the program of the neighbours counts up", () => {
    expect([0, 249, 250, 999].map(clientAddress)).toEqual(["10.0.1.1", "10.0.1.250", "10.0.2.1", "10.0.4.250"]);
  });
});

import { expect, vi } from "vitest";
import { patience } from "./agent-lab.ts";
import type { SubnetLab } from "./subnet-lab.ts";
import { allBlockRoutes, expectedRoutes, type Mode, type SubnetNode, subnetNodes } from "./subnet-routes.ts";
import type { Traffic, TrafficReport } from "./traffic.ts";

/** Every change from one mode to another, once; it begins and ends with Never. */
export const tour = ["Always", "CrossSubnet", "Always", "Never", "CrossSubnet", "Never"] as const;

export function trafficSummary({ pings, octets, duplicates, reordered }: TrafficReport): string {
  return `0 of ${pings} pings lost, ${duplicates} came twice, ${reordered} late; ${octets} octets by TCP`;
}

/** Waits until the kernels of all nodes have what the mode of the pool `pods` asks for. */
export async function followed(subnets: SubnetLab, mode: Mode): Promise<void> {
  await vi.waitFor(
    async () => expect(await allBlockRoutes(subnets)).toEqual(await expectedRoutes(subnets, mode)),
    patience,
  );
}

/** Changes the mode and waits until all nodes have followed. */
export async function changeTo(subnets: SubnetLab, mode: Mode): Promise<void> {
  await subnets.setModeAt("n1", mode);
  await followed(subnets, mode);
}

/**
 * Waits until the nodes whose agents are not stopped have followed as far as they can: to a node that has no VTEP yet they
 * go on as before.
 */
export async function followedBy(subnets: SubnetLab, nodes: readonly SubnetNode[], mode: Mode): Promise<void> {
  const before = await allBlockRoutes(subnets);
  await vi.waitFor(async () => {
    const [now, expected] = await Promise.all([allBlockRoutes(subnets), expectedRoutes(subnets, mode, nodes[0])]);
    for (const node of nodes)
      expect(now[node]).toEqual(
        expected[node].map((route) =>
          route.gateway.startsWith("no VTEP") ? before[node].find(({ prefix }) => prefix === route.prefix) : route,
        ),
      );
  }, patience);
}

/** Changes the mode while the agents of these nodes stand still, which go on some hundred packets after all others. */
export async function changeWithLate(
  subnets: SubnetLab,
  late: readonly SubnetNode[],
  mode: Mode,
  flows: Traffic,
): Promise<void> {
  const early = subnetNodes.filter((node) => !late.includes(node));
  for (const node of late) await subnets.lab.killNode(node, "SIGSTOP");
  try {
    // Not the agent of n1, which may be one of them.
    await subnets.setModeAt(early[0] ?? "n1", mode);
    await followedBy(subnets, early, mode);
    await flows.goesOn(20);
  } finally {
    for (const node of late) await subnets.lab.killNode(node, "SIGCONT");
  }
  await followed(subnets, mode);
}

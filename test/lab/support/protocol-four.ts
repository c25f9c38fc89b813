import { vi } from "vitest";
import { patience } from "./agent-lab.ts";
import { BackgroundProgram } from "./background-program.ts";
import type { SubnetLab } from "./subnet-lab.ts";
import type { SubnetNode } from "./subnet-routes.ts";

/** The headers of each echo request that left a node while `use` ran, from the outermost to the innermost. */
export async function packetsBetween(
  subnets: SubnetLab,
  from: SubnetNode,
  use: () => Promise<void>,
): Promise<string[][]> {
  const capture = new BackgroundProgram(subnets, "r1", [
    "tcpdump",
    "--immediate-mode",
    "-l",
    "-n",
    "-t",
    "-i",
    from,
    "icmp or proto 4",
  ]);
  await vi.waitFor(() => {
    if (!capture.output().includes("listening on")) throw new Error(capture.output());
  }, patience);
  await use();
  await vi.waitFor(() => {
    if (!capture.output().includes("ICMP echo reply")) throw new Error(capture.output());
  }, patience);
  return requests(await capture.stop());
}

function requests(output: string): string[][] {
  return output
    .split("\n")
    .filter((line) => line.startsWith("IP ") && line.includes("ICMP echo request"))
    .map((line) => [...line.matchAll(/IP (\S+ > [^:\s]+):/g)].map(([, ends = ""]) => ends));
}

import { type Neighbour, testedAddress, testedAs } from "../neighbours.ts";
import type { Contender, Launch, Setup } from "./contender.ts";

/** OpenBGPD, which on Linux installs no routes. */
export const openbgpd: Contender = {
  name: "openbgpd",
  label: "OpenBGPD",
  installed: { program: "bgpctl", package: "openbgpd" },
  version: ["/usr/sbin/bgpd", "-V"],
  launch: ({ neighbours, folder }: Setup): Launch => ({
    files: { "bgpd.conf": configuration(neighbours, folder) },
    processes: [{ command: ["/usr/sbin/bgpd", "-d", "-f", `${folder}/bgpd.conf`], measured: true }],
    listens: true,
  }),
};

function configuration(neighbours: readonly Neighbour[], folder: string): string {
  const head = [
    `AS ${testedAs}`,
    `router-id ${testedAddress}`,
    `listen on ${testedAddress}`,
    "holdtime 240",
    `socket "${folder}/bgpd.sock"`,
    "fib-update no",
  ];
  const peers = neighbours.map(({ address, as, role }) => {
    const kind = role === "client" ? "route-reflector" : "enforce neighbor-as no";
    return `neighbor ${address} {\n remote-as ${as}\n passive\n ${kind}\n}`;
  });
  return `${[...head, ...peers, "allow from any", "allow to any"].join("\n")}\n`;
}

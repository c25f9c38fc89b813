import { type Neighbour, testedAddress, testedAs } from "../neighbours.ts";
import type { Contender, Launch, Setup } from "./contender.ts";

/** GoBGP, which installs no routes by itself. */
export const gobgp: Contender = {
  name: "gobgp",
  label: "GoBGP",
  installed: { program: "gobgpd", package: "gobgpd" },
  version: ["gobgpd", "--version"],
  launch: ({ neighbours, folder }: Setup): Launch => ({
    files: { "gobgp.toml": configuration(neighbours) },
    processes: [
      {
        command: ["gobgpd", "-f", `${folder}/gobgp.toml`, "--api-hosts", "127.0.0.1:50051", "-l", "error", "-p"],
        measured: true,
      },
    ],
    listens: true,
  }),
};

function configuration(neighbours: readonly Neighbour[]): string {
  const peers = neighbours.flatMap(({ address, as, role }) => [
    "[[neighbors]]",
    "[neighbors.config]",
    `neighbor-address = "${address}"`,
    `peer-as = ${as}`,
    "[neighbors.transport.config]",
    "passive-mode = true",
    `local-address = "${testedAddress}"`,
    "[neighbors.timers.config]",
    "hold-time = 240",
    "keepalive-interval = 80",
    ...(role === "client"
      ? [
          "[neighbors.route-reflector.config]",
          "route-reflector-client = true",
          `route-reflector-cluster-id = "${testedAddress}"`,
        ]
      : []),
  ]);
  const own = `[global.config]\nas = ${testedAs}\nrouter-id = "${testedAddress}"\n`;
  return `${own}local-address-list = ["${testedAddress}"]\n${peers.join("\n")}\n`;
}

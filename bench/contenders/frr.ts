import { type Neighbour, testedAddress, testedAs } from "../neighbours.ts";
import type { Contender, Launch, Setup } from "./contender.ts";

/**
 * FRR without the second that bgpd otherwise waits for more updates (`coalesce-time`). zebra always runs, for the next hops; it
 * is measured only where it installs the routes.
 */
export const frr: Contender = {
  name: "frr",
  label: "FRR",
  installed: { program: "zebra", package: "frr" },
  version: ["/usr/lib/frr/bgpd", "--version"],
  launch: ({ neighbours, toKernel, folder }: Setup): Launch => {
    const options = (program: string) => [
      ...["-f", `${folder}/${program}.conf`, "-i", `${folder}/${program}.pid`, "-u", "frr", "-g", "frr"],
      ...["--vty_socket", folder, "-z", `${folder}/zserv.api`, "-P", "0"],
      ...["--log", `file:${folder}/log`, "--log-level", "errors"],
    ];
    return {
      files: { "zebra.conf": "frr defaults traditional\n", "bgpd.conf": configuration(neighbours) },
      processes: [
        { command: ["/usr/lib/frr/zebra", ...options("zebra")], readyFile: "zserv.api", measured: toKernel },
        { command: ["/usr/lib/frr/bgpd", ...options("bgpd"), ...(toKernel ? [] : ["-n"])], measured: true },
      ],
      listens: true,
    };
  },
};

function configuration(neighbours: readonly Neighbour[]): string {
  return [
    "frr defaults traditional",
    `router bgp ${testedAs}`,
    ` bgp router-id ${testedAddress}`,
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " no bgp network import-check",
    " timers bgp 80 240",
    " coalesce-time 0",
    ...neighbours.flatMap(({ address, as }) => [
      ` neighbor ${address} remote-as ${as}`,
      ` neighbor ${address} passive`,
      ` neighbor ${address} advertisement-interval 0`,
      ...(as === testedAs ? [] : [` neighbor ${address} disable-connected-check`]),
    ]),
    " address-family ipv4 unicast",
    ...neighbours.flatMap(({ address, role }) => [
      `  neighbor ${address} activate`,
      ...(role === "client" ? [`  neighbor ${address} route-reflector-client`] : []),
    ]),
    " exit-address-family",
    "",
  ].join("\n");
}

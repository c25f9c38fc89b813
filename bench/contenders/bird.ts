import { type Neighbour, testedAddress, testedAs } from "../neighbours.ts";
import type { Contender, Launch, Setup } from "./contender.ts";

/** BIRD 2. `direct` spares internal sessions the recursive look-up of next hops, which are all on the same link here. */
export const bird: Contender = {
  name: "bird",
  label: "BIRD",
  installed: { program: "bird", package: "bird2" },
  version: ["bird", "--version"],
  launch: ({ neighbours, toKernel, folder }: Setup): Launch => ({
    files: { "bird.conf": configuration(neighbours, toKernel) },
    processes: [
      {
        command: ["bird", "-f", "-c", `${folder}/bird.conf`, "-s", `${folder}/bird.ctl`, "-P", `${folder}/bird.pid`],
        measured: true,
      },
    ],
    listens: true,
  }),
};

function configuration(neighbours: readonly Neighbour[], toKernel: boolean): string {
  const kernel = "protocol kernel { ipv4 { export all; import none; }; learn off; scan time 3600; }";
  return [
    `log stderr { error, fatal, bug };`,
    `router id ${testedAddress};`,
    "protocol device { scan time 60; }",
    ...(toKernel ? [kernel] : []),
    ...neighbours.map(
      ({ address, as, role }, index) =>
        `protocol bgp n${index} { local ${testedAddress} as ${testedAs}; neighbor ${address} as ${as}; passive; ` +
        `hold time 240; direct; ${role === "client" ? "rr client; " : ""}` +
        `ipv4 { import all; export ${role === "client" ? "where source = RTS_BGP" : "all"}; }; }`,
    ),
    "",
  ].join("\n");
}

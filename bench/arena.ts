import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { gatewayAddress, type Neighbour, strangerAddress, testedAddress } from "./neighbours.ts";
import type { Scope } from "./scope.ts";

/** Two network namespaces with a cable between them: eth0 of the one that is measured, eth1 of its neighbours. */
export interface Arena {
  readonly tested: string;
  readonly outside: string;
}

const namePattern = /^cbb-(\d+)-[0-9a-f]+-(tested|outside)$/;

/** What an arena may be like. */
interface ArenaSettings {
  readonly mtu?: number;
  /**
   * The many clients (10.0.1.0 and above) are reached by way of one address. Else the kernel keeps an entry for each in its table of
   * neighbours, of which all namespaces together have 1,024: with more clients it loses packets. Not where they are next hops of
   * routes in the kernel.
   */
  readonly hasGateway?: boolean;
}

/** Always there: where the many clients are reached, and a next hop that is none of the neighbours. */
const outsideAddresses: readonly string[] = [gatewayAddress, "10.0.0.3", strangerAddress];

/** Builds the namespaces; the neighbours' addresses are on the outside. Names are unique, so runs may go side by side. */
export function buildArena(
  scope: Scope,
  neighbours: readonly Pick<Neighbour, "address">[],
  { mtu = 9000, hasGateway = false }: ArenaSettings = {},
): Arena {
  const stem = `cbb-${process.pid}-${randomBytes(3).toString("hex")}`;
  const arena = { tested: `${stem}-tested`, outside: `${stem}-outside` };
  for (const name of [arena.tested, arena.outside]) {
    ip([], ["netns", "add", name]);
    scope.defer(() => {
      ip([], ["netns", "delete", name]);
    });
  }
  batch(arena.tested, [
    "link set lo up",
    `link add eth0 mtu ${mtu} type veth peer name eth1 netns ${arena.outside}`,
    `addr add ${testedAddress}/16 dev eth0${hasGateway ? " noprefixroute" : ""}`,
    "link set eth0 up",
    ...(hasGateway
      ? ["route add 10.0.0.0/24 dev eth0 scope link", `route add 10.0.0.0/16 via ${gatewayAddress} dev eth0`]
      : []),
  ]);
  batch(arena.outside, [
    "link set lo up",
    `link set eth1 mtu ${mtu} up`,
    ...new Set(
      [...outsideAddresses, ...neighbours.map(({ address }) => address)].map((host) => `addr add ${host}/16 dev eth1`),
    ),
  ]);
  return arena;
}

/** Removes what benchmarks have left behind that were killed. */
export function removeAbandonedArenas(): void {
  for (const name of ip([], ["netns", "list"]).split(/\s+/)) {
    const owner = namePattern.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) ip([], ["netns", "delete", name]);
  }
}

/** Several `ip` commands inside a namespace. */
export function batch(namespace: string, commands: readonly string[]): void {
  ip(["-n", namespace], ["-batch", "-"], `${commands.join("\n")}\n`);
}

function ip(options: readonly string[], argv: readonly string[], input = ""): string {
  return execFileSync("ip", [...options, ...argv], { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
}

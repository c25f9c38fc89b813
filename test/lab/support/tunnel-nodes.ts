import { spawn } from "node:child_process";
import { once } from "node:events";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { openNetlink } from "../../../src/netlink/open.ts";
import { mainTable, RouteProtocol } from "../../../src/netlink/types.ts";
import { TestNamespace } from "../../support/network-namespace.ts";

/** What is promised for repairs. */
export const withinOneSecond = { timeout: 1000, interval: 10 };
export const soon = { timeout: 10_000, interval: 20 };

type OpenedNetlink = Awaited<ReturnType<typeof openNetlink>>;

/** Undoes in reverse order what a test has done. */
export class Cleanup {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}

/** A namespace that stands for a node: eth0 towards the others, and our netlink into it. */
export class TunnelNode {
  readonly namespace: TestNamespace;
  readonly netlink: OpenedNetlink;
  readonly address: IpAddress;

  private constructor(namespace: TestNamespace, netlink: OpenedNetlink, address: IpAddress) {
    this.namespace = namespace;
    this.netlink = netlink;
    this.address = address;
  }

  /** Two nodes of one subnet, joined by a cable. Node n of family 4 is 172.30.0.n, of family 6 fd00:30::n. */
  static async pair(cleanup: Cleanup): Promise<[TunnelNode, TunnelNode]> {
    const namespaces = [new TestNamespace("a"), new TestNamespace("b")] as const;
    for (const namespace of namespaces) cleanup.add(() => namespace.remove());
    const [a, b] = namespaces;
    await a.ip(`link add eth0 type veth peer name eth0 netns ${b.name}`);
    const made: TunnelNode[] = [];
    for (const [index, namespace] of namespaces.entries()) {
      await namespace.ipBatch([
        "link set lo up",
        "link set eth0 up",
        `addr add 172.30.0.${index + 1}/24 dev eth0`,
        `addr add fd00:30::${index + 1}/64 dev eth0 nodad`,
      ]);
      const netlink = await openNetlink({ namespace: { path: namespace.path } });
      cleanup.add(() => netlink.close());
      made.push(new TunnelNode(namespace, netlink, IpAddress.parse(`172.30.0.${index + 1}`)));
    }
    const [first, second] = made;
    if (first === undefined || second === undefined) throw new TypeError("two nodes were to be made");
    return [first, second];
  }

  async linkIndex(device: string): Promise<number> {
    const link = (await this.netlink.links()).find(({ name }) => name === device);
    if (link === undefined) throw new TypeError(`no device ${device}`);
    return link.index;
  }

  /** Writes the route that our agent would: through the tunnel to `gateway`, which is on no subnet. */
  async routeThrough(device: string, prefix: string, gateway: string): Promise<void> {
    const nextHop = {
      gateway: IpAddress.parse(gateway),
      interfaceIndex: await this.linkIndex(device),
      onlink: true,
      weight: 1,
    };
    const route = {
      destination: Prefix.parse(prefix),
      type: "unicast",
      table: mainTable,
      protocol: RouteProtocol.calibird,
      scope: "universe",
      metric: 1024,
      tos: 0,
      nextHops: [nextHop],
    } as const;
    const [result] = await this.netlink.execute([{ op: "route-replace", route }]);
    if (result?.ok !== true) throw new TypeError(`${prefix}: ${result?.message}`);
  }

  /** Whether a packet of this many octets, headers included, that must not be fragmented comes back. */
  async echoes(source: string, target: string, octets: number): Promise<boolean> {
    const headers = target.includes(":") ? 48 : 28;
    const size = ["-M", "do", "-s", String(octets - headers)];
    try {
      await this.namespace.exec("ping", "-n", "-c", "1", "-W", "1", "-I", source, ...size, target);
      return true;
    } catch {
      return false;
    }
  }
}

/** What tcpdump, with `more` flags, prints about packets on a device until `use` is over; it sees packets from before `use` begins to after. */
export async function packetsOn(
  namespace: TestNamespace,
  device: string,
  isLast: (output: string) => boolean,
  use: () => Promise<unknown>,
  more: readonly string[] = [],
): Promise<string> {
  const options = [...more, "--immediate-mode", "-l", "-n", "-i", device, "ip or ip6"];
  const child = spawn("ip", ["netns", "exec", namespace.name, "tcpdump", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const end = once(child, "exit");
  try {
    while (!words.includes("listening on")) {
      await Promise.race([once(child.stderr, "data"), end]);
      if (child.exitCode !== null) throw new Error(`tcpdump does not run: ${words}`);
    }
    await use();
    while (!isLast(output)) await Promise.race([once(child.stdout, "data"), end]);
    return output;
  } finally {
    child.kill();
    await end;
  }
}

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { nodeAddresses, nodeNames, type TwoSubnets } from "./two-subnets.ts";

const run = promisify(execFile);
const address = "10.10.2.14";

/** A node b1 beside n3 that none of us runs: BIRD announces its block, and its kernel's routes are made by hand. */
export class BirdNode {
  readonly address = address;
  readonly block: string;
  readonly podAddress: string;
  /** Network namespaces. */
  readonly name = "b1";
  readonly podNamespace = "b1-a";

  private constructor(block: string) {
    this.block = block;
    this.podAddress = block.replace(/0\/26$/, "2");
  }

  /** Resolves when everything is made; sessions with it have yet to come up. */
  static async start(cluster: TwoSubnets): Promise<BirdNode> {
    const blocks = await cluster.blocks();
    const taken = Object.values(blocks);
    const block = ["10.244.200.0/26", "10.244.201.0/26", "10.244.202.0/26", "10.244.203.0/26"].find(
      (candidate) => !taken.includes(candidate),
    );
    if (block === undefined) throw new Error(`no block is left for b1: ${taken.join(" ")}`);
    const node = new BirdNode(block);
    await node.#makeLinks(cluster.routerNamespace);
    for (const name of nodeNames)
      await ip(`-n b1 route add ${blocks[name]} via ${nodeAddresses[name]} dev tunl0 onlink`);
    node.#startBird();
    for (const name of nodeNames) {
      const spec = { node: name, peerIP: address, asNumber: 64512 };
      await cluster.apply({
        apiVersion: "projectcalico.org/v3",
        kind: "BGPPeer",
        metadata: { name: `b1-${name}` },
        spec,
      });
    }
    return node;
  }

  async #makeLinks(routerNamespace: string): Promise<void> {
    for (const words of [
      "netns add b1",
      "netns add b1-a",
      `link add b1 netns ${routerNamespace} type veth peer name eth1 netns b1`,
      `-n ${routerNamespace} link set b1 master lan2 up`,
      `-n b1 addr add ${address}/24 dev eth1`,
      "-n b1 link set eth1 up",
      "-n b1 route add default via 10.10.2.1",
      "-n b1 link add tunl0 type ipip",
      "-n b1 link set tunl0 mtu 1480 up",
      "-n b1 link add pod type veth peer name eth0 netns b1-a",
      "-n b1 link set pod up",
      "-n b1-a link set eth0 up",
      "-n b1-a link set lo up",
      `-n b1-a addr add ${this.podAddress}/26 dev eth0`,
      `-n b1 addr add ${this.podAddress.replace(/2$/, "1")}/26 dev pod`,
      `-n b1-a route add default via ${this.podAddress.replace(/2$/, "1")}`,
    ])
      await ip(words);
    await ip("netns exec b1 sh -c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  }

  #startBird(): void {
    const folder = mkdtempSync(join(tmpdir(), "b1-"));
    const file = join(folder, "bird.conf");
    const sessions = nodeNames.map(
      (name) => `protocol bgp ${name} from node { neighbor ${nodeAddresses[name]} as 64512; }`,
    );
    writeFileSync(
      file,
      `log "${folder}/log" all;
      router id ${address};
      protocol device {}
      protocol static { ipv4; route ${this.block} blackhole; }
      template bgp node {
        local ${address} as 64512;
        connect delay time 1;
        ipv4 { import all; export where source = RTS_STATIC; };
      }
      ${sessions.join("\n")}`,
    );
    const bird = ["bird", "-f", "-c", file, "-s", join(folder, "ctl"), "-P", join(folder, "pid")];
    spawn("ip", ["netns", "exec", "b1", ...bird], { stdio: "ignore" });
  }
}

async function ip(words: string, ...more: readonly string[]): Promise<void> {
  await run("ip", [...words.split(" "), ...more]);
}

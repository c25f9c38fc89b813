import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Gives the nodes and the router of the topology in a folder IPv6 addresses beside those of IPv4, and tells the agents. */
export function addIpv6(folder: string): void {
  const file = join(folder, "two-subnets.clab.yml");
  const text = readFileSync(file, "utf8")
    .replaceAll(/--ip 10\.10\.(\d)\.(\d+)\/24/g, "$& --ip6 fd00:10:$1::$2/64")
    .replaceAll(
      /^( +)- ip addr add 10\.10\.(\d)\.(\d+)\/24 dev eth1$/gm,
      "$&\n$1- ip addr add fd00:10:$2::$3/64 dev eth1 nodad\n$1- ip route add default via fd00:10:$2::1",
    )
    .replace(/^( +)net\.ipv4\.ip_forward: 1$/m, "$&\n$1net.ipv6.conf.all.forwarding: 1");
  writeFileSync(file, text);
  const router = join(folder, "two-subnets");
  const addresses = ["1", "2"].map((subnet) => `addr add fd00:10:${subnet}::1/64 dev lan${subnet} nodad\n`);
  appendFileSync(join(router, "links.batch"), addresses.join(""));
  appendFileSync(join(router, "bird.conf"), birdConfiguration);
}

const peers = { n1: "fd00:10:1::11", n2: "fd00:10:1::12", n3: "fd00:10:2::13" };

const birdConfiguration = `
protocol kernel {
  ipv6 {
    import none;
    export where source = RTS_BGP;
  };
}

template bgp node6 {
  local as 64513;
  passive;
  # A minute would be waited for after a link was down.
  error wait time 1, 2;
  graceful restart on;
  ipv6 {
    import all;
    export none;
  };
}
${Object.entries(peers)
  .map(([name, address]) => `protocol bgp ${name}v6 from node6 {\n  neighbor ${address} as 64512;\n}\n`)
  .join("")}`;

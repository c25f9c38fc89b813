import { describe, expect, it } from "vitest";
import { diffTable } from "../../../src/nat/diff.ts";
import { type NatOptions, type NatState, natTables } from "../../../src/nat/ruleset.ts";
import { imageOf, type NftCommand } from "../../../src/nat/table.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";

const defaults: NatOptions = {
  natOutgoingExclusions: "IPPoolsOnly",
  protectEncapsulation: false,
  vxlanPort: 4789,
  udpPort: 8285,
};

interface Sketch extends Partial<NatOptions> {
  readonly pools?: Readonly<Record<string, boolean>>;
  readonly nodes?: readonly string[];
  readonly tunnels?: NatState["tunnelDevices"];
}

function state({ pools = {}, nodes = [], tunnels = [], ...options }: Sketch): NatState {
  return {
    pools: Object.entries(pools).map(([cidr, natOutgoing]) => ({ cidr: Prefix.parse(cidr), natOutgoing })),
    nodeAddresses: nodes.map((address) => IpAddress.parse(address)),
    tunnelDevices: tunnels,
    options: { ...defaults, ...options },
  };
}

/** The commands that make the tables from nothing. */
const fromNothing = (sketch: Sketch): NftCommand[] =>
  natTables(state(sketch)).flatMap((table) => diffTable(undefined, table));

const change = (before: Sketch, after: Sketch): NftCommand[] => {
  const old = natTables(state(before));
  return natTables(state(after)).flatMap((table, index) => {
    const previous = old[index];
    return diffTable(previous?.needed ? imageOf(previous) : undefined, table);
  });
};

/** The statements of the rules in the order in which a packet meets them. */
const statementsOf = (commands: readonly NftCommand[]) =>
  commands.flatMap((command) => ("add" in command && "rule" in command.add ? [command.add.rule.expr] : []));
const commentsOf = (commands: readonly NftCommand[]) =>
  commands.flatMap((command) =>
    "add" in command && "rule" in command.add ? [command.add.rule.comment.replace(/ \[[0-9a-f]{12}\]$/, "")] : [],
  );

const oifname = (name: string) => ({ match: { op: "==", left: { meta: { key: "oifname" } }, right: name } });
const from = (set: string, protocol = "ip") => ({
  match: { op: "==", left: { payload: { protocol, field: "saddr" } }, right: `@${set}` },
});
const notTo = (set: string, protocol = "ip") => ({
  match: { op: "!=", left: { payload: { protocol, field: "daddr" } }, right: `@${set}` },
});
const transport = (name: unknown) => ({ match: { op: "==", left: { meta: { key: "l4proto" } }, right: name } });
const masquerade = { masquerade: { flags: "fully-random" } };

const tunl0 = { name: "tunl0", family: 4, encapsulation: "ipip" } as const;
const vxlan = { name: "vxlan.calico", family: 4, encapsulation: "vxlan" } as const;

describe("the tables of address translation", () => {
  it("are made in one go: sets, their elements, the chain after kube-proxy's, its rules", () => {
    const inTable = { family: "ip", table: "calibird" };
    const set = { type: "ipv4_addr", flags: ["interval"] };
    expect(
      fromNothing({ pools: { "10.244.0.0/16": true, "10.245.0.0/16": false }, nodes: ["10.0.0.1", "10.0.0.2"] }),
    ).toEqual([
      { add: { table: { family: "ip", name: "calibird" } } },
      { add: { set: { ...inTable, name: "masq-ipam-pools", ...set } } },
      { add: { set: { ...inTable, name: "all-ipam-pools", ...set } } },
      { add: { set: { ...inTable, name: "all-hosts-net", ...set } } },
      {
        add: {
          element: { ...inTable, name: "masq-ipam-pools", elem: [{ prefix: { addr: "10.244.0.0", len: 16 } }] },
        },
      },
      {
        add: { element: { ...inTable, name: "all-ipam-pools", elem: [{ prefix: { addr: "10.244.0.0", len: 15 } }] } },
      },
      { add: { element: { ...inTable, name: "all-hosts-net", elem: [{ range: ["10.0.0.1", "10.0.0.2"] }] } } },
      {
        add: {
          chain: {
            ...inTable,
            name: "nat-postrouting",
            type: "nat",
            hook: "postrouting",
            prio: 110,
            policy: "accept",
          },
        },
      },
      {
        add: {
          rule: {
            ...inTable,
            chain: "nat-postrouting",
            comment: expect.stringMatching(/^natOutgoing \[[0-9a-f]{12}\]$/),
            expr: [from("masq-ipam-pools"), notTo("all-ipam-pools"), masquerade],
          },
        },
      },
    ]);
  });

  it("of IPv6 have their own family, types and matches", () => {
    const commands = fromNothing({ pools: { "fd00::/64": true } });
    expect(commands[0]).toEqual({ add: { table: { family: "ip6", name: "calibird" } } });
    expect(commands[1]).toMatchObject({ add: { set: { family: "ip6", type: "ipv6_addr" } } });
    expect(statementsOf(commands)).toEqual([
      [from("masq-ipam-pools", "ip6"), notTo("all-ipam-pools", "ip6"), masquerade],
    ]);
  });

  it("are not made at all while no pool and no tunnel needs them", () => {
    expect(fromNothing({ pools: { "10.244.0.0/16": false, "fd00::/64": false }, nodes: ["10.0.0.1"] })).toEqual([]);
  });

  it("spare nodes when natOutgoingExclusions says so", () => {
    const rules = statementsOf(
      fromNothing({ pools: { "10.244.0.0/16": true }, natOutgoingExclusions: "IPPoolsAndHostIPs" }),
    );
    expect(rules).toEqual([[from("masq-ipam-pools"), notTo("all-ipam-pools"), notTo("all-hosts-net"), masquerade]]);
  });

  it("translate only what leaves by the interface of the filter, whose + stands for anything", () => {
    const rules = statementsOf(fromNothing({ pools: { "10.244.0.0/16": true }, outInterfaceFilter: "eth+" }));
    expect(rules).toEqual([[oifname("eth*"), from("masq-ipam-pools"), notTo("all-ipam-pools"), masquerade]]);
  });

  it("use the ports of natPortRange for TCP and UDP, before the rule for everything else", () => {
    const rules = statementsOf(
      fromNothing({ pools: { "10.244.0.0/16": true }, natPortRange: { first: 32_768, last: 65_000 } }),
    );
    const ranged = { masquerade: { port: { range: [32_768, 65_000] }, flags: "fully-random" } };
    const matches = [from("masq-ipam-pools"), notTo("all-ipam-pools")];
    expect(rules).toEqual([
      [...matches, transport("tcp"), ranged],
      [...matches, transport("udp"), ranged],
      [...matches, masquerade],
    ]);
  });

  it("use natOutgoingAddress as source in its family and masquerade in the other", () => {
    const rules = statementsOf(
      fromNothing({
        pools: { "10.244.0.0/16": true, "fd00::/64": true },
        natOutgoingAddress: IpAddress.parse("192.0.2.1"),
      }),
    );
    expect(rules.map((rule) => rule.at(-1))).toEqual([
      { snat: { addr: "192.0.2.1", flags: "fully-random" } },
      masquerade,
    ]);
  });

  it("give what enters a tunnel with another local address the tunnel's own", () => {
    const commands = fromNothing({ pools: { "10.244.0.0/16": false }, tunnels: [tunl0] });
    expect(commentsOf(commands)).toEqual(["natOutgoing", "source of what enters tunl0"]);
    const type = (...flags: string[]) => ({ fib: { result: "type", flags } });
    expect(statementsOf(commands)[1]).toEqual([
      oifname("tunl0"),
      { match: { op: "!=", left: type("saddr", "oif"), right: "local" } },
      { match: { op: "==", left: type("saddr"), right: "local" } },
      masquerade,
    ]);
  });

  it.each([
    [4789, undefined, [4790, 65_535]],
    [65_000, undefined, [1024, 64_999]],
    [4789, { first: 4000, last: 5000 }, [4000, 4788]],
    [4789, { first: 30_000, last: 40_000 }, [30_000, 40_000]],
    [4789, { first: 4789, last: 4790 }, 4790],
    [4789, { first: 4789, last: 4789 }, 4789],
  ])("keep UDP off the VXLAN port %i, out of the range %o", (vxlanPort, natPortRange, port) => {
    const commands = fromNothing({
      pools: { "10.244.0.0/16": true },
      tunnels: [vxlan],
      vxlanPort,
      ...(natPortRange !== undefined && { natPortRange }),
    });
    const udp = statementsOf(commands)[commentsOf(commands).indexOf("natOutgoing of udp")];
    const expected = typeof port === "number" ? port : { range: port };
    expect(udp?.at(-1)).toEqual({ masquerade: { port: expected, flags: "fully-random" } });
  });

  it("drop IPIP and VXLAN from others than nodes when asked to, and nothing else", () => {
    const commands = fromNothing({ nodes: ["10.0.0.1"], tunnels: [vxlan], protectEncapsulation: true });
    expect(commands).toContainEqual({
      add: {
        chain: {
          family: "ip",
          table: "calibird",
          name: "encapsulation-input",
          type: "filter",
          hook: "input",
          prio: 0,
          policy: "accept",
        },
      },
    });
    const strangers = {
      match: { op: "!=", left: { payload: { protocol: "ip", field: "saddr" } }, right: "@all-hosts-net" },
    };
    const rules = commands.flatMap((command) =>
      "add" in command && "rule" in command.add && command.add.rule.chain === "encapsulation-input"
        ? [command.add.rule.expr]
        : [],
    );
    expect(rules).toEqual([
      [transport(4), strangers, { drop: null }],
      [
        { match: { op: "==", left: { payload: { protocol: "udp", field: "dport" } }, right: 4789 } },
        strangers,
        { drop: null },
      ],
    ]);
  });

  it("have nothing about VXLAN in the family that has none", () => {
    const ipv6 = { name: "vxlan-v6.calico", family: 6, encapsulation: "vxlan" } as const;
    const nodes = ["10.0.0.1", "fd00::1"];
    const comments = (...tunnels: NatState["tunnelDevices"]) =>
      natTables(state({ nodes, tunnels, pools: { "10.244.0.0/16": true }, protectEncapsulation: true })).map(
        ({ chains }) => chains.flatMap(({ rules }) => rules.map(({ comment }) => comment)),
      );
    expect(comments(ipv6)).toEqual([
      ["natOutgoing", "IPIP from others than nodes"],
      ["natOutgoing of udp", "natOutgoing", "source of what enters vxlan-v6.calico", "VXLAN from others than nodes"],
    ]);
    expect(comments(vxlan)[1]).toEqual(["natOutgoing"]);
  });
});

describe("a change", () => {
  const before: Sketch = { pools: { "10.244.0.0/16": true, "10.10.0.0/16": true }, nodes: ["10.0.0.1", "10.0.0.9"] };
  const inTable = { family: "ip", table: "calibird" };

  it("of nothing sends nothing", () => {
    expect(change(before, before)).toEqual([]);
  });

  it("of a pool sends that pool only", () => {
    const off = { ...before, pools: { "10.244.0.0/16": true, "10.10.0.0/16": false } };
    const element = { ...inTable, name: "masq-ipam-pools", elem: [{ prefix: { addr: "10.10.0.0", len: 16 } }] };
    expect(change(before, off)).toEqual([{ delete: { element } }]);
    expect(change(off, before)).toEqual([{ add: { element } }]);
  });

  it("of a node's address deletes the old one before it adds the new one", () => {
    const element = { ...inTable, name: "all-hosts-net" };
    expect(change(before, { ...before, nodes: ["10.0.0.1", "10.0.0.7"] })).toEqual([
      { delete: { element: { ...element, elem: ["10.0.0.9"] } } },
      { add: { element: { ...element, elem: ["10.0.0.7"] } } },
    ]);
  });

  it("of the rules writes the chain anew and leaves the sets alone", () => {
    const commands = change(before, { ...before, natOutgoingExclusions: "IPPoolsAndHostIPs" });
    expect(commands.map((command) => Object.keys(command)[0])).toEqual(["flush", "add"]);
    expect(commands[0]).toEqual({ flush: { chain: { ...inTable, name: "nat-postrouting" } } });
  });

  it("of the chains replaces the whole table in the same transaction", () => {
    const commands = change(before, { ...before, protectEncapsulation: true });
    expect(commands.slice(0, 2)).toEqual([
      { delete: { table: { family: "ip", name: "calibird" } } },
      { add: { table: { family: "ip", name: "calibird" } } },
    ]);
  });

  it("that leaves no pool to translate empties the set and keeps the table", () => {
    const element = { ...inTable, name: "masq-ipam-pools" };
    expect(change(before, { ...before, pools: { "10.244.0.0/16": false, "10.10.0.0/16": false } })).toEqual([
      {
        delete: {
          element: {
            ...element,
            elem: [{ prefix: { addr: "10.10.0.0", len: 16 } }, { prefix: { addr: "10.244.0.0", len: 16 } }],
          },
        },
      },
    ]);
  });
});

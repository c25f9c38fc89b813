import { describe, expect, it } from "vitest";
import { TopologyError } from "../../../../src/lab/topology/problem.ts";
import { isLabName, parseTopology, readLabName } from "../../../../src/lab/topology/topology.ts";

const good = `
name: three
topology:
  defaults:
    kind: linux
    env: { LEVEL: defaults, ONLY_DEFAULTS: "1" }
    exec: [echo defaults]
    binds: ["common:/srv/a", "common:/srv/b"]
  kinds:
    linux:
      image: calibird:latest
      env: { LEVEL: kind, ONLY_KIND: true }
      exec: [echo kind]
      cmd: sleep 1
      sysctls: { net.ipv4.ip_forward: 1 }
  groups:
    edge:
      env: { LEVEL: group }
      exec: [echo group]
      cmd: sleep 2
      binds: ["edge:/srv/b:ro"]
  nodes:
    n1:
      group: edge
      env: { LEVEL: node }
      exec: ["sh -c 'echo \\"two words\\"'"]
      labels: { calibird.requires: bird, weight: 3 }
    n2:
    n3:
      entrypoint: nice
      cmd: sleep 3
    underlay: { kind: bridge }
  links:
    - endpoints: ["n1:eth1", "underlay:n1"]
      mtu: 1500
    - endpoints: ["n2:eth1", "underlay:n2"]
    - type: veth
      endpoints:
        - { node: n1, interface: eth2, mac: "02:00:00:00:00:0A" }
        - { node: n2, interface: eth2 }
`;

/** A file with one node n1 and one bridge br, and these lines in it. */
const withNode = (lines: string) => `name: t
topology:
  nodes:
    n1:
      kind: linux
${lines
  .split("\n")
  .map((line) => `      ${line}`)
  .join("\n")}
    br: { kind: bridge }
`;

const withLinks = (lines: string) => `${withNode("env: {}")}  links:\n    ${lines}\n`;

function problemsOf(text: string): readonly { line: number; path: string; message: string }[] {
  try {
    parseTopology(text, "lab.clab.yml");
  } catch (error) {
    if (error instanceof TopologyError) return error.problems;
    throw error;
  }
  return [];
}

describe("a topology file without mistakes", () => {
  const topology = parseTopology(good, "three.clab.yml");
  const node = (name: string) => topology.nodes.find((candidate) => candidate.name === name);

  it("keeps its name and its nodes in the order of the file", () => {
    expect(topology.name).toBe("three");
    expect(topology.nodes.map(({ name, kind }) => [name, kind])).toEqual([
      ["n1", "linux"],
      ["n2", "linux"],
      ["n3", "linux"],
      ["underlay", "bridge"],
    ]);
  });

  it("lets the node override its group, the group its kind and the kind the defaults", () => {
    expect(Object.fromEntries(node("n1")?.env ?? [])).toEqual({
      LEVEL: "node",
      ONLY_DEFAULTS: "1",
      ONLY_KIND: "true",
    });
    expect(Object.fromEntries(node("n2")?.env ?? []).LEVEL).toBe("kind");
    expect(node("n1")?.command).toEqual(["sleep", "2"]);
    expect(node("n2")?.command).toEqual(["sleep", "1"]);
  });

  it("runs the exec commands of all levels, the weakest level first", () => {
    expect(node("n1")?.exec.map((command) => command.argv)).toEqual([
      ["echo", "defaults"],
      ["echo", "kind"],
      ["echo", "group"],
      ["sh", "-c", 'echo "two words"'],
    ]);
  });

  it("lets a bind of a stronger level replace the one with the same target", () => {
    expect(node("n1")?.binds).toEqual([
      { source: "common", target: "/srv/a", readOnly: false },
      { source: "edge", target: "/srv/b", readOnly: true },
    ]);
  });

  it("puts the entry point before the command", () => {
    expect(node("n3")?.command).toEqual(["nice", "sleep", "3"]);
  });

  it("reads labels and sysctls as texts", () => {
    expect(Object.fromEntries(node("n1")?.labels ?? [])).toEqual({ "calibird.requires": "bird", weight: "3" });
    expect(node("n2")?.sysctls.get("net.ipv4.ip_forward")).toBe("1");
  });

  it("reads brief and veth links, with containerlab's MTU of 9500 where none is given", () => {
    expect(topology.links).toEqual([
      {
        endpoints: [
          { node: "n1", interface: "eth1" },
          { node: "underlay", interface: "n1" },
        ],
        mtu: 1500,
      },
      {
        endpoints: [
          { node: "n2", interface: "eth1" },
          { node: "underlay", interface: "n2" },
        ],
        mtu: 9500,
      },
      {
        endpoints: [
          { node: "n1", interface: "eth2", macAddress: "02:00:00:00:00:0a" },
          { node: "n2", interface: "eth2" },
        ],
        mtu: 9500,
      },
    ]);
  });

  it("has no notices", () => {
    expect(topology.notices).toEqual([]);
  });
});

describe("what containerlab knows and the lab does without", () => {
  it("is accepted with a notice that says where it stands", () => {
    const text = `mgmt: { network: x }\n${withNode("image: x\nports: ['80:80']\ngroup: drawn")}`;
    expect(parseTopology(text, "x").notices).toEqual([
      { line: 1, path: "mgmt", message: "known to containerlab, has no effect in this lab" },
      { line: 8, path: "topology.nodes.n1.ports", message: "known to containerlab, has no effect in this lab" },
    ]);
  });

  it("includes a group that topology.groups does not define", () => {
    const text = withNode("group: egde").replace("topology:\n", "topology:\n  groups: { edge: {} }\n");
    expect(parseTopology(text, "x").notices).toEqual([
      {
        line: 7,
        path: "topology.nodes.n1.group",
        message: 'topology.groups has no "egde", so nothing is inherited from it',
      },
    ]);
  });
});

describe("anchors and merge keys", () => {
  it("are followed, the node's own entries winning", () => {
    const text = `name: t
topology:
  kinds:
    linux: &base
      cmd: sleep 1
      env: { A: base }
  nodes:
    n1:
      <<: *base
      kind: linux
      cmd: sleep 2
`;
    const [node] = parseTopology(text, "x").nodes;
    expect(node?.command).toEqual(["sleep", "2"]);
    expect(node?.env.get("A")).toBe("base");
  });
});

describe("a mistake", () => {
  const cases: readonly [what: string, text: string, line: number, path: string, ...parts: string[]][] = [
    ["no name", "topology: { nodes: { n1: { kind: linux } } }", 1, "", "no name"],
    ["a name with a slash", "name: a/b\ntopology: { nodes: { n1: { kind: linux } } }", 1, "name", '"a/b"', "letters"],
    ["no topology", "name: t", 1, "", "no topology"],
    ["no nodes", "name: t\ntopology: { links: [] }", 2, "topology", "no nodes"],
    ["an empty list of nodes", "name: t\ntopology:\n  nodes: {}", 3, "topology.nodes", "at least one"],
    ["a list of nodes", "name: t\ntopology:\n  nodes: [n1]", 3, "topology.nodes", "a list is not a mapping"],
    ["a field nobody knows", withNode("comand: sleep 1"), 6, "topology.nodes.n1.comand", "unknown field", "known are"],
    ["a misspelt field", withNode("bind: [a:/b]"), 6, "topology.nodes.n1.bind", '"bind"', "did you mean binds?"],
    ["a misspelt top-level field", `nmae: x\n${withNode("env: {}")}`, 1, "nmae", "did you mean name?"],
    [
      "an unsupported kind",
      withNode("env: {}").replace("linux", "nokia_srlinux"),
      5,
      "topology.nodes.n1.kind",
      '"nokia_srlinux"',
      "linux and bridge",
    ],
    [
      "a misspelt kind",
      withNode("env: {}").replace("linux", "linx"),
      5,
      "topology.nodes.n1.kind",
      "did you mean linux?",
    ],
    ["no kind", "name: t\ntopology:\n  nodes:\n    n1:\n", 4, "topology.nodes.n1", "write kind: linux"],
    [
      "a node name with a space",
      "name: t\ntopology:\n  nodes:\n    n 1: { kind: linux }\n",
      4,
      "topology.nodes.n 1",
      '"n 1"',
    ],
    [
      "a bridge name too long for a device",
      "name: t\ntopology:\n  nodes:\n    abcdefghijklmnop: { kind: bridge }\n",
      4,
      "topology.nodes.abcdefghijklmnop",
      "15 characters",
    ],
    [
      "a bind without target",
      withNode("binds: [abc]"),
      6,
      "topology.nodes.n1.binds[0]",
      '"abc"',
      "HOST-PATH:NODE-PATH",
    ],
    [
      "a bind to a relative path",
      withNode("binds: ['a:b']"),
      6,
      "topology.nodes.n1.binds[0]",
      '"b" in "a:b"',
      "absolute",
    ],
    ["a bind that climbs", withNode("binds: ['a:/srv/../etc']"), 6, "topology.nodes.n1.binds[0]", "/srv/../etc"],
    ["a bind over /proc", withNode("binds: ['a:/proc']"), 6, "topology.nodes.n1.binds[0]", '"/proc"'],
    ["a bind with an unknown option", withNode("binds: ['a:/b:rx']"), 6, "topology.nodes.n1.binds[0]", '"rx"', "ro"],
    ["binds that are no list", withNode("binds: a:/b"), 6, "topology.nodes.n1.binds", '"a:/b"', "not a list"],
    ["an exec with an open quote", withNode("exec:\n  - sh -c 'x"), 7, "topology.nodes.n1.exec[0]", "without its end"],
    ["an empty cmd", withNode("cmd: '  '"), 6, "topology.nodes.n1.cmd", "empty"],
    ["a cmd that is a number", withNode("cmd: 1"), 6, "topology.nodes.n1.cmd", "1 is not a text"],
    ["an env with =", withNode("env: { 'A=B': 1 }"), 6, "topology.nodes.n1.env.A=B", '"A=B"'],
    ["an env value that is a list", withNode("env: { A: [1] }"), 6, "topology.nodes.n1.env.A", "a list"],
    [
      "a sysctl outside net",
      withNode("sysctls: { kernel.panic: 1 }"),
      6,
      "topology.nodes.n1.sysctls.kernel.panic",
      "net.",
    ],
    ["the host's network", withNode("network-mode: host"), 6, "topology.nodes.n1.network-mode", '"host"', "none"],
    [
      "a link to an unknown node",
      withLinks('- endpoints: ["n2:eth1", "br:p1"]'),
      9,
      "topology.links[0].endpoints[0]",
      '"n2"',
      "did you mean n1?",
    ],
    [
      "a link to the host",
      withLinks('- endpoints: ["n1:eth1", "host:x"]'),
      9,
      "topology.links[0].endpoints[1]",
      '"host"',
      "connect two nodes",
    ],
    [
      "an endpoint without interface",
      withLinks('- endpoints: ["n1", "br:p1"]'),
      9,
      "topology.links[0].endpoints[0]",
      '"n1"',
      "NODE:INTERFACE",
    ],
    [
      "an interface name too long",
      withLinks('- endpoints: ["n1:abcdefghijklmnop", "br:p1"]'),
      9,
      "topology.links[0].endpoints[0]",
      "1 to 15",
    ],
    [
      "the management interface",
      withLinks('- endpoints: ["n1:eth0", "br:p1"]'),
      9,
      "topology.links[0].endpoints[0]",
      '"eth0"',
      "eth1",
    ],
    [
      "the bridge itself as a port",
      withLinks('- endpoints: ["n1:eth1", "br:br"]'),
      9,
      "topology.links[0].endpoints[1]",
      "the bridge itself",
    ],
    [
      "three endpoints",
      withLinks('- endpoints: ["n1:eth1", "br:p1", "br:p2"]'),
      9,
      "topology.links[0].endpoints",
      "not 3",
    ],
    ["no endpoints", withLinks("- mtu: 1500"), 9, "topology.links[0]", "endpoints"],
    [
      "an MTU of 20",
      withLinks('- { mtu: 20, endpoints: ["n1:eth1", "br:p1"] }'),
      9,
      "topology.links[0].mtu",
      "20",
      "68 to 65535",
    ],
    [
      "an unsupported link type",
      withLinks('- { type: macvlan, endpoints: ["n1:eth1", "br:p1"] }'),
      9,
      "topology.links[0].type",
      '"macvlan"',
      "veth",
    ],
    [
      "a bad MAC address",
      withLinks('- { type: veth, endpoints: [{ node: n1, interface: eth1, mac: "01:0" }, "br:p1"] }'),
      9,
      "topology.links[0].endpoints[0].mac",
      '"01:0"',
      "02:00:00:00:00:01",
    ],
    [
      "a veth endpoint without node",
      withLinks('- { type: veth, endpoints: [{ interface: eth1 }, "br:p1"] }'),
      9,
      "topology.links[0].endpoints[0]",
      "node: NODE",
    ],
    ["the same key twice", "name: t\nname: u", 2, "", "unique"],
  ];

  it.each(cases)(
    "%s is reported with its line, its path and what would be right",
    (_what, text, line, path, ...parts) => {
      const problems = problemsOf(text);
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatchObject({ line, path });
      for (const part of parts) expect(problems[0]?.message).toContain(part);
    },
  );

  it("of an interface used twice names the first use", () => {
    const text = withLinks('- endpoints: ["n1:eth1", "br:p1"]\n    - endpoints: ["n1:eth1", "br:p2"]');
    expect(problemsOf(text)).toEqual([
      {
        line: 10,
        path: "topology.links[1].endpoints[0]",
        message: '"n1:eth1" is in use already at line 9; every endpoint needs an interface of its own',
      },
    ]);
  });

  it("does not hide the others: all are in the message, one line each, with the file's name", () => {
    const text = withNode("binds: [abc]\ncmd: ''\nprots: []");
    expect(() => parseTopology(text, "some/lab.clab.yml")).toThrow(
      /^some\/lab\.clab\.yml:6: topology\.nodes\.n1\.binds\[0\]: .*\nsome\/lab\.clab\.yml:7: topology\.nodes\.n1\.cmd: .*\nsome\/lab\.clab\.yml:8: topology\.nodes\.n1\.prots: .*did you mean ports\?$/,
    );
  });

  it("in the YAML itself gives the line", () => {
    expect(problemsOf("name: t\ntopology: [")[0]?.line).toBe(2);
  });
});

describe("the name of a lab", () => {
  it("can be read from a file that is wrong otherwise", () => {
    expect(readLabName("name: t\ntopology: { nonsense: 1 }", "x")).toBe("t");
  });

  it("is still checked there", () => {
    expect(() => readLabName("name: ../x", "lab.yml")).toThrow(/^lab\.yml:1: name: "\.\.\/x"/);
  });

  it("is short and has no characters of paths", () => {
    expect(isLabName("three-nodes_1.a")).toBe(true);
    for (const name of ["", "a/b", "-a", ".", "a b", "x".repeat(33)]) expect(isLabName(name)).toBe(false);
  });
});

it("refuses a file that is nested so deeply that reading it would exhaust the stack", () => {
  expect(() => parseTopology("[".repeat(20_000), "lab.clab.yml")).toThrow("nested more than 100 levels deep");
});

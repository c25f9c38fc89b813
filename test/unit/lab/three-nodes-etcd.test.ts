import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseTopology } from "../../../src/lab/topology/topology.ts";

const read = (file: string) => parseTopology(readFileSync(file, "utf8"), file);

describe("the three-node topology on etcd", () => {
  const plain = read("containerlab/three-nodes.clab.yml");
  const topology = read("containerlab/three-nodes-etcd.clab.yml");

  it("is the plain one with a node for etcd", () => {
    expect(topology.notices).toEqual([]);
    const names = plain.nodes.map(({ name }) => name);
    expect(topology.nodes.map(({ name }) => name)).toEqual([...names.slice(0, -1), "e1", ...names.slice(-1)]);
    for (const node of topology.nodes.filter(({ name }) => /^n\d$/.test(name)))
      expect(node.exec).toEqual(plain.nodes.find(({ name }) => name === node.name)?.exec);
  });

  it("tells agents and calictl by Calico's variables where etcd is", () => {
    const etcd = topology.nodes.find(({ name }) => name === "e1");
    for (const node of topology.nodes.filter(({ name }) => /^n\d$/.test(name))) {
      expect(node.command).not.toContain("--datastore");
      expect(Object.fromEntries(node.env)).toEqual({
        DATASTORE_TYPE: "etcdv3",
        ETCD_ENDPOINTS: "http://10.0.0.250:2379",
      });
    }
    expect(etcd?.command).toContain("http://10.0.0.250:2379");
    expect(etcd?.exec.map(({ text }) => text)).toEqual(["ip addr add 10.0.0.250/24 dev eth1"]);
  });
});

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Lab } from "../../../src/lab/lab.ts";
import type { ProgramResult } from "../../../src/lab/runtime/run-program.ts";
import { AgentNode } from "./agent-node.ts";
import { BirdRouter, writeBirdFiles } from "./bird-router.ts";
import { Capture } from "./capture.ts";

const run = promisify(execFile);

/** A node of ours. */
interface NodeDescription {
  /** Its address on the segment 10.0.0.0/24. */
  readonly address: string;
  /** Pods `default/NAME`. */
  readonly pods?: readonly string[];
}

/** A BIRD. */
interface RouterDescription {
  /** Its address on the segment. */
  readonly address: string;
  /** Addresses on its loopback, so that something answers behind what it announces. */
  readonly loopback?: readonly string[];
  /** The protocols of its configuration; see `writeBirdFiles` for what is always in it. */
  readonly config: string;
}

interface LabDescription {
  readonly nodes: Readonly<Record<string, NodeDescription>>;
  readonly routers: Readonly<Record<string, RouterDescription>>;
  /** Further machines on the segment, which run nothing of themselves, by their addresses. */
  readonly machines?: Readonly<Record<string, string>>;
  /** Resources besides the pool 10.244.0.0/16, applied by the first node when the routers are there. */
  readonly resources?: readonly object[];
}

const pool = {
  apiVersion: "projectcalico.org/v3",
  kind: "IPPool",
  metadata: { name: "pods" },
  spec: { cidr: "10.244.0.0/16", blockSize: 26, ipipMode: "Never", vxlanMode: "Never", natOutgoing: false },
};

/**
 * Nodes of ours and BIRDs on one Ethernet segment, each in namespaces of its own. What every router says and hears on the
 * BGP port is captured from before its first packet on.
 */
export class BirdLab {
  readonly #lab: Lab;
  readonly #folder: string;
  readonly #nodes = new Map<string, AgentNode>();
  readonly #routers = new Map<string, BirdRouter>();

  private constructor(lab: Lab, folder: string) {
    this.#lab = lab;
    this.#folder = folder;
  }

  /** Brings the lab up; the routers are the last to be connected. Whatever fails, nothing is left behind. */
  static async up(description: LabDescription): Promise<BirdLab> {
    const folder = mkdtempSync(join(tmpdir(), "calibird-interop-"));
    let started: BirdLab | undefined;
    try {
      const name = `i${process.pid}-${randomBytes(3).toString("hex")}`;
      const lab = await Lab.up({ file: writeTopology(folder, name, description) });
      started = new BirdLab(lab, folder);
      const failed = lab.execReports.filter(({ code }) => code !== 0);
      if (failed.length > 0) throw new Error(`the lab could not be set up: ${JSON.stringify(failed)}`);
      await started.#connect(description);
      return started;
    } catch (error) {
      if (started === undefined) rmSync(folder, { recursive: true, force: true });
      else await started.down();
      throw error;
    }
  }

  node(name: string): AgentNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  router(name: string): BirdRouter {
    const router = this.#routers.get(name);
    if (router === undefined) throw new Error(`there is no router ${name}`);
    return router;
  }

  /** Writes what a `secretKeyRef` of this name and key stands for, on all nodes. */
  writeSecret(name: string, key: string, password: string): void {
    mkdirSync(join(this.#folder, "secrets", name), { recursive: true });
    writeFileSync(join(this.#folder, "secrets", name, key), `${password}\n`);
  }

  networkNamespaceOf(machine: string): string {
    const view = this.#lab.nodes.find(({ name }) => name === machine);
    if (view === undefined) throw new Error(`there is no machine ${machine}`);
    return view.networkNamespace;
  }

  /** Runs a program on a machine to its end, or to that of the lab. */
  run(machine: string, argv: readonly string[]): Promise<ProgramResult> {
    return this.#lab.exec(machine, argv);
  }

  /** Has the segment carry frames of this machine or not; its interface stays up, so nobody is told. */
  async setForwarding(name: string, forwards: boolean): Promise<void> {
    const segment = this.#lab.nodes.find(({ kind }) => kind === "bridge")?.networkNamespace ?? "";
    const state = forwards ? "3" : "0";
    await run("bridge", ["-n", segment, "link", "set", "dev", `${name}-eth1`, "state", state]);
  }

  async down(): Promise<void> {
    await Promise.all([...this.#routers.values()].map((router) => router.capture.stop()));
    for (const node of this.#nodes.values()) node.stopWatching();
    await this.#lab.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #connect({ nodes, routers, resources = [] }: LabDescription): Promise<void> {
    const viewOf = (name: string) => {
      const view = this.#lab.nodes.find((candidate) => candidate.name === name);
      if (view === undefined) throw new Error(`the lab has no node ${name}`);
      return view;
    };
    for (const [name, { address }] of Object.entries(nodes))
      this.#nodes.set(name, new AgentNode(this.#lab, viewOf(name), address));
    await Promise.all(
      Object.entries(routers).map(async ([name, { address, loopback = [] }]) => {
        const view = viewOf(name);
        const capture = await Capture.start(view.networkNamespace, join(this.#folder, `${name}.pcap`));
        this.#routers.set(name, new BirdRouter(this.#lab, view, address, join(this.#folder, name), capture));
        for (const own of loopback) await run("ip", ["-n", view.networkNamespace, "addr", "add", own, "dev", "lo"]);
        await run("ip", ["-n", view.networkNamespace, "addr", "add", `${address}/24`, "dev", "eth1"]);
      }),
    );
    const [first] = this.#nodes.values();
    if (resources.length > 0) await first?.apply(...resources);
  }
}

/** The topology as JSON, which is YAML, with everything that it refers to. */
function writeTopology(folder: string, name: string, { nodes, routers, machines = {} }: LabDescription): string {
  for (const subfolder of ["manifests", "secrets"]) mkdirSync(join(folder, subfolder));
  writeFileSync(join(folder, "manifests", "pool.yaml"), `${JSON.stringify(pool)}\n`);
  const [first] = Object.keys(nodes);
  const agents = Object.entries(nodes).map(([node, { address, pods = [] }]) => [
    node,
    {
      kind: "linux",
      binds: [
        "__clabDir__/datastore:/var/lib/calibird/datastore",
        `${join(folder, "manifests")}:/etc/calibird/manifests:ro`,
        `${join(folder, "secrets")}:/etc/calibird/secrets:ro`,
      ],
      sysctls: { "net.ipv4.ip_forward": 1 },
      cmd: `calibird agent --skip-default-pools true --datastore embedded --embedded-path /var/lib/calibird/datastore --node-name ${node} --ip ${address}/24`,
      exec: [
        ...(node === first ? ["calictl apply -f /etc/calibird/manifests"] : []),
        "timeout 15 sh -c 'until calictl get ippool pods >/dev/null 2>&1; do sleep 0.1; done'",
        `ip addr add ${address}/24 dev eth1`,
        ...pods.map((pod) => `calibird pod add default/${pod}`),
      ],
    },
  ]);
  const birds = Object.entries(routers).map(([router, { address, config }]) => {
    const own = join(folder, router);
    mkdirSync(own);
    writeBirdFiles(own, address, config);
    return [
      router,
      {
        kind: "linux",
        binds: [`${own}:/etc/bird-lab:ro`],
        cmd: "sh -c 'exec bird -f $(cat /etc/bird-lab/flags) -c /etc/bird-lab/bird.conf -s /run/bird.ctl -P /run/bird.pid'",
      },
    ];
  });
  const others = Object.entries(machines).map(([machine, address]) => [
    machine,
    { kind: "linux", exec: [`ip addr add ${address}/24 dev eth1`] },
  ]);
  const linux = Object.fromEntries([...agents, ...birds, ...others]);
  const topology = {
    name,
    topology: {
      nodes: { ...linux, segment: { kind: "bridge" } },
      links: Object.keys(linux).map((node) => ({ endpoints: [`${node}:eth1`, `segment:${node}-eth1`], mtu: 1500 })),
    },
  };
  const file = join(folder, `${name}.clab.yml`);
  writeFileSync(file, JSON.stringify(topology));
  return file;
}

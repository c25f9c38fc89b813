import { closeSync, openSync } from "node:fs";
import { openNetlink } from "../../netlink/open.ts";
import type { Netlink, NetlinkRequest } from "../../netlink/types.ts";
import { LabError } from "../errors.ts";
import type { LabLink } from "../topology/links.ts";
import { namespaceName, namespacePath } from "./paths.ts";
import type { PlannedNode } from "./plan.ts";

/**
 * Makes the devices of a lab inside its network namespaces, which exist already: the bridges, and for each link a veth pair
 * whose ends come to life where they belong, so that nothing appears in the host's own namespace.
 */
export async function connectNodes(
  lab: string,
  nodes: readonly PlannedNode[],
  links: readonly LabLink[],
): Promise<void> {
  const open = new Map<string, Netlink>();
  const descriptors = new Map<string, number>();
  try {
    // Opened at the same time, because each starts a thread; those that succeed are closed even if another fails.
    const attempts = await Promise.allSettled(
      nodes.map(async ({ name }) => {
        const path = namespacePath(namespaceName(lab, name));
        descriptors.set(name, openSync(path, "r"));
        open.set(name, await openNetlink({ namespace: { path } }));
      }),
    );
    for (const attempt of attempts) if (attempt.status === "rejected") throw attempt.reason;
    for (const node of nodes) {
      await apply(open, node.name, `devices of node ${node.name}`, [
        { op: "link-set", link: "lo", change: { up: true } },
        ...(node.kind === "bridge"
          ? [{ op: "link-add", link: { kind: "bridge", name: node.name, up: true } } as const]
          : []),
      ]);
    }
    for (const link of links) await connect(open, descriptors, nodes, link);
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
    await Promise.all([...open.values()].map((netlink) => netlink.close()));
  }
}

async function connect(
  open: ReadonlyMap<string, Netlink>,
  descriptors: ReadonlyMap<string, number>,
  nodes: readonly PlannedNode[],
  link: LabLink,
): Promise<void> {
  const [near, far] = link.endpoints;
  const what = `link ${near.node}:${near.interface} - ${far.node}:${far.interface}`;
  const descriptor = descriptors.get(far.node);
  if (descriptor === undefined) throw new TypeError(`${far.node} is no node of the plan`);
  await apply(open, near.node, what, [
    {
      op: "link-add",
      link: {
        kind: "veth",
        name: near.interface,
        mtu: link.mtu,
        ...(near.macAddress === undefined ? {} : { macAddress: near.macAddress }),
        peer: {
          name: far.interface,
          mtu: link.mtu,
          ...(far.macAddress === undefined ? {} : { macAddress: far.macAddress }),
          namespace: { fd: descriptor },
        },
      },
    },
  ]);
  for (const end of link.endpoints) {
    const isBridge = nodes.some((node) => node.name === end.node && node.kind === "bridge");
    const master = isBridge ? await indexOf(open, end.node, end.node) : undefined;
    await apply(open, end.node, what, [
      {
        op: "link-set",
        link: end.interface,
        change: { up: true, ...(master === undefined ? {} : { masterIndex: master }) },
      },
    ]);
  }
}

async function indexOf(open: ReadonlyMap<string, Netlink>, node: string, device: string): Promise<number> {
  const found = (await netlinkOf(open, node).links()).find((link) => link.name === device);
  if (found === undefined) throw new LabError("LAB_START_FAILED", `node ${node} has no device ${device}`, { node });
  return found.index;
}

async function apply(
  open: ReadonlyMap<string, Netlink>,
  node: string,
  what: string,
  requests: readonly NetlinkRequest[],
): Promise<void> {
  for (const result of await netlinkOf(open, node).execute(requests))
    if (!result.ok)
      throw new LabError("LAB_START_FAILED", `${what} cannot be made: ${result.message} (${result.code})`, {
        node,
        errno: result.errno,
      });
}

function netlinkOf(open: ReadonlyMap<string, Netlink>, node: string): Netlink {
  const netlink = open.get(node);
  if (netlink === undefined) throw new TypeError(`${node} is no node of the plan`);
  return netlink;
}

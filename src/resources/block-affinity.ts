import { Prefix } from "../net/prefix.ts";
import { defineKind, type StoredForm } from "./kind-definition.ts";
import { cidr } from "./text-formats.ts";

/** A node's claim on a block of addresses, as address management keeps it. */
export interface BlockAffinitySpec {
  /** Only a confirmed claim counts: the block's routes lead to the node. */
  readonly state: "confirmed" | "pending" | "pendingDeletion";
  readonly node: string;
  readonly type: "host";
  readonly cidr: string;
}

const ROOT = "/calico/ipam/v2/host/";
const KEY = /^\/calico\/ipam\/v2\/host\/([^/]+)\/ipv([46])\/block\/([0-9a-f.:]+-\d+)$/;

/** `worker-0.10-244-7-64-26` is the block 10.244.7.64/26 of worker-0: after the last dot there are no others. */
function objectName(node: string, block: Prefix): string {
  return `${node}.${block.toString().replace(/[.:/]/g, "-")}`;
}

const storedForm: StoredForm = {
  prefix: ROOT,
  keyOf(name) {
    const dot = name.lastIndexOf(".");
    const block = parseBlock(name.slice(dot + 1));
    return block === undefined || dot <= 0 ? `${ROOT}?/${name}` : affinityKey(name.slice(0, dot), block);
  },
  nameOf(key) {
    const { node, block } = parseKey(key) ?? {};
    return node === undefined || block === undefined ? undefined : objectName(node, block);
  },
  read(key, stored) {
    if (stored.deleted === true) throw new Error("it is marked as deleted");
    const { node, block } = parseKey(key) ?? {};
    // Older software stored no state, or nothing at all, for what is called confirmed now.
    const state = stored.state === undefined || stored.state === "" ? "confirmed" : stored.state;
    return { state, node, type: "host", cidr: block?.toString() };
  },
};

function affinityKey(node: string, block: Prefix): string {
  return `${ROOT}${node}/ipv${block.family}/block/${block.toString().replace("/", "-")}`;
}

function parseKey(key: string): { node: string; block: Prefix } | undefined {
  const [, node, family, text = ""] = KEY.exec(key) ?? [];
  const block = Prefix.tryParse(text.replace(/-(\d+)$/, "/$1"));
  return node === undefined || block?.family !== Number(family) ? undefined : { node, block };
}

/** The block of `10-244-7-64-26` or `fd00-10--7a-122`. */
function parseBlock(text: string): Prefix | undefined {
  const [, address = "", length = ""] = /^(.+)-(\d+)$/.exec(text) ?? [];
  const ipv4 = /^\d+-\d+-\d+-\d+$/.test(address);
  return Prefix.tryParse(`${address.replaceAll("-", ipv4 ? "." : ":")}/${length}`);
}

export const blockAffinityKind = defineKind<BlockAffinitySpec>({
  kind: "BlockAffinity",
  description:
    "Which node owns which block of addresses. A view of what address management stores, which alone changes it; " +
    "`calictl ipam` releases and splits blocks.",
  plural: "blockaffinities",
  namespaced: false,
  aliases: ["blockaffinity", "affinity", "affinities"],
  readOnly: true,
  storedForm,
  spec: {
    type: "object",
    fields: {
      state: {
        type: "text",
        required: true,
        values: ["confirmed", "pending", "pendingDeletion"],
        description:
          "pending: being claimed; confirmed: owned, and routed to the node; pendingDeletion: being given up.",
      },
      node: { type: "text", required: true, description: "The node that claims the block." },
      type: { type: "text", required: true, values: ["host"], description: "What claims the block: a node." },
      cidr: { type: "text", required: true, format: cidr, description: "The block." },
    },
  },
  check: () => [],
});

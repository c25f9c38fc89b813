import { defineKind, type StoredForm, specProblem } from "./kind-definition.ts";
import type { JsonObject } from "./read-fields.ts";

/** How addresses are given out, cluster-wide; the one object is named `default`. */
export interface IpamConfigurationSpec {
  readonly strictAffinity: boolean;
  readonly maxBlocksPerHost?: number;
  readonly autoAllocateBlocks?: boolean;
  readonly kubeVirtVMAddressPersistence?: "Enabled" | "Disabled";
  readonly ipCooldownSeconds?: number;
}

const KEY = "/calico/ipam/v2/config";
const NAME = "default";

/** The names of the fields in the stored object, in the order in which they are stored. */
const storedNames = {
  strictAffinity: "strict_affinity",
  autoAllocateBlocks: "auto_allocate_blocks",
  maxBlocksPerHost: "maxBlocksPerHost",
  kubeVirtVMAddressPersistence: "kubeVirtVMAddressPersistence",
  ipCooldownSeconds: "ipCooldownSeconds",
} as const satisfies Record<keyof IpamConfigurationSpec, string>;

/**
 * The settings that address management obeys in etcd mode are under a key of their own, with other names of the fields.
 * Calico's tools also know an object `ipamconfigurations/default` there, which nobody reads.
 */
const storedForm: StoredForm = {
  prefix: KEY,
  keyOf: (name) => (name === NAME ? KEY : `${KEY}/${name}`),
  nameOf: (key) => (key === KEY ? NAME : undefined),
  read(_key, stored) {
    const { strict_affinity, auto_allocate_blocks, ...rest } = stored;
    // An absent field is false here, which is not what it is in a file.
    return { strictAffinity: strict_affinity ?? false, autoAllocateBlocks: auto_allocate_blocks ?? false, ...rest };
  },
  write(spec) {
    const known = Object.entries(storedNames).map(([field, name]): [string, unknown] => [name, spec[field]]);
    const further = Object.entries(spec).filter(([field]) => !Object.hasOwn(storedNames, field));
    return Object.fromEntries([...known.filter(([, value]) => isSet(value)), ...further]) as JsonObject;
  },
};

function isSet(value: unknown): boolean {
  return value !== undefined && value !== false && value !== 0 && value !== "";
}

export const ipamConfigurationKind = defineKind<IpamConfigurationSpec>({
  kind: "IPAMConfiguration",
  description:
    'How addresses are given out, in the whole cluster. There is one object, named "default"; it shows and changes the ' +
    "same settings as `calictl ipam configure`. Without it: no strict affinity, blocks on demand, at most 20 per node.",
  plural: "ipamconfigurations",
  namespaced: false,
  aliases: ["ipamconfiguration", "ipamconfig", "ipamconfigs"],
  storedForm,
  spec: {
    type: "object",
    fields: {
      strictAffinity: {
        type: "boolean",
        zero: "fill",
        description:
          "Whether a node takes addresses from its own blocks only, and never borrows one of another node's.",
        default: "false",
      },
      maxBlocksPerHost: {
        type: "integer",
        min: 0,
        max: 0x7fffffff,
        unit: "blocks",
        description: "How many blocks of a family a node may own; 0 stands for 20. More than 0 needs strictAffinity.",
        default: "0",
      },
      autoAllocateBlocks: {
        type: "boolean",
        zero: "keep",
        description: "Whether a node that needs addresses claims a new block. false needs strictAffinity.",
        default: "true",
      },
      kubeVirtVMAddressPersistence: {
        type: "text",
        values: ["Enabled", "Disabled"],
        description: "Whether a virtual machine of KubeVirt keeps its address when its pod is replaced.",
        default: "Enabled",
      },
      ipCooldownSeconds: {
        type: "integer",
        min: 0,
        max: 0x7fffffff,
        unit: "seconds",
        description: "For how long an address that was released is given to nobody else.",
        default: "0",
      },
    },
  },
  withDefaults: (spec) => ({ ...spec, autoAllocateBlocks: spec.autoAllocateBlocks ?? true }),
  check(spec, { name }) {
    const problems = [];
    const { strictAffinity, autoAllocateBlocks = true, maxBlocksPerHost = 0 } = spec;
    if (name !== NAME) problems.push({ path: ["metadata", "name"], value: name, reason: `must be "${NAME}"` });
    if (!strictAffinity && !autoAllocateBlocks)
      problems.push(
        specProblem("autoAllocateBlocks", false, "needs strictAffinity: true; otherwise no node would get an address"),
      );
    if (!strictAffinity && maxBlocksPerHost > 0)
      problems.push(
        specProblem(
          "maxBlocksPerHost",
          maxBlocksPerHost,
          "needs strictAffinity: true; without it a node at its limit borrows",
        ),
      );
    return problems;
  },
});

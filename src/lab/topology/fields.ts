/** How we treat a field that containerlab defines. */
export type FieldUse =
  /** Has an effect. */
  | "used"
  /** Has no effect by the nature of this lab (there are no images and no drawings), which needs no remark. */
  | "silent"
  /** Has an effect in containerlab and none here; accepted with a notice. */
  | "ignored";

/** The fields of one kind of mapping in the topology file. */
export type FieldTable = ReadonlyMap<string, FieldUse>;

function table(fields: Partial<Record<FieldUse, readonly string[]>>): FieldTable {
  const entries = (["used", "silent", "ignored"] as const).flatMap((use) =>
    (fields[use] ?? []).map((name): [string, FieldUse] => [name, use]),
  );
  return new Map(entries);
}

/** Top level of the file (containerlab manual, "Topology definition"). */
export const fileFields = table({
  used: ["name", "topology"],
  ignored: ["prefix", "mgmt", "settings", "debug"],
});

/** Below `topology`. */
export const topologyFields = table({ used: ["defaults", "kinds", "groups", "nodes", "links"] });

/** A node, and equally the defaults, a kind and a group (containerlab manual, "Nodes"). */
export const nodeFields = table({
  used: ["binds", "cmd", "entrypoint", "env", "exec", "group", "kind", "labels", "network-mode", "sysctls"],
  silent: ["image", "image-pull-policy", "position"],
  ignored: [
    "type",
    "startup-config",
    "startup-delay",
    "enforce-startup-config",
    "suppress-startup-config",
    "auto-remove",
    "restart-policy",
    "config",
    "license",
    "devices",
    "cap-add",
    "shm-size",
    "ports",
    "mgmt-ipv4",
    "mgmt-ipv6",
    "env-files",
    "user",
    "runtime",
    "cpu",
    "cpu-set",
    "memory",
    "extras",
    "stages",
    "dns",
    "certificate",
    "healthcheck",
    "aliases",
    "components",
  ],
});

/** A link, in the brief and in the veth form (containerlab manual, "Links"). */
export const linkFields = table({
  used: ["type", "endpoints", "mtu"],
  ignored: ["labels", "vars", "ipv4", "ipv6"],
});

/** An endpoint of a link in the veth form. */
export const endpointFields = table({
  used: ["node", "interface", "mac"],
  ignored: ["ipv4", "ipv6", "vars"],
});

import { isObject, type JsonObject } from "../../resources/read-fields.ts";

/** What a cell may need to know besides its object. */
export interface CellFacts {
  /** The cluster's AS number; undefined if it could not be read. */
  readonly clusterAsNumber: number | undefined;
}

/** A column of `get`, calicoctl's: the title, and the text for an object as JSON. Empty where there is nothing. */
export interface ResourceColumn {
  readonly title: string;
  readonly value: (object: JsonObject, facts: CellFacts) => string;
}

interface KindColumns {
  readonly normal: readonly ResourceColumn[];
  /** Absent: as `normal`. */
  readonly wide?: readonly ResourceColumn[];
}

/** Calico cuts long lists here. */
const LONGEST_LIST = 80;

const name = field("NAME", "metadata.name");
const namespace = field("NAMESPACE", "metadata.namespace");
const policy: KindColumns = {
  normal: [name, field("TIER", "spec.tier", "default")],
  wide: [
    name,
    field("TIER", "spec.tier", "default"),
    field("ORDER", "spec.order", "<nil>"),
    field("SELECTOR", "spec.selector"),
  ],
};
const networkSet: KindColumns = { normal: [name], wide: [name, list("NETS", "spec.nets")] };
const workload = [
  column("WORKLOAD", (object) => textAt(object, "spec.pod") || textAt(object, "spec.workload")),
  field("NODE", "spec.node"),
  list("NETWORKS", "spec.ipNetworks"),
  field("INTERFACE", "spec.interfaceName"),
];

/** By kind; a kind that is not here has only its name. */
const columnsByKind: Readonly<Record<string, KindColumns>> = {
  Node: {
    normal: [name],
    wide: [
      name,
      column("ASN", nodeAsNumber),
      field("IPV4", "spec.bgp.ipv4Address"),
      field("IPV6", "spec.bgp.ipv6Address"),
    ],
  },
  IPPool: {
    normal: [name, field("CIDR", "spec.cidr"), field("SELECTOR", "spec.nodeSelector", "all()")],
    wide: [
      name,
      field("CIDR", "spec.cidr"),
      field("NAT", "spec.natOutgoing", "false"),
      field("IPIPMODE", "spec.ipipMode", "Never"),
      field("VXLANMODE", "spec.vxlanMode", "Never"),
      field("DISABLED", "spec.disabled", "false"),
      field("DISABLEBGPEXPORT", "spec.disableBGPExport", "false"),
      field("SELECTOR", "spec.nodeSelector", "all()"),
      field("ASSIGNMENTMODE", "spec.assignmentMode", "<nil>"),
    ],
  },
  IPReservation: { normal: [name], wide: [name, list("CIDRS", "spec.reservedCIDRs")] },
  BGPPeer: {
    normal: [
      name,
      field("PEERIP", "spec.peerIP"),
      column("NODE", (object) => textAt(object, "spec.node") || textAt(object, "spec.nodeSelector") || "(global)"),
      field("ASN", "spec.asNumber"),
    ],
  },
  BGPConfiguration: {
    normal: [
      name,
      field("LOGSEVERITY", "spec.logSeverityScreen"),
      field("MESHENABLED", "spec.nodeToNodeMeshEnabled", "-"),
      field("ASNUMBER", "spec.asNumber", "-"),
    ],
  },
  BGPFilter: {
    normal: [
      name,
      count("NUMEXPORTV4", "spec.exportV4"),
      count("NUMIMPORTV4", "spec.importV4"),
      count("NUMEXPORTV6", "spec.exportV6"),
      count("NUMIMPORTV6", "spec.importV6"),
    ],
  },
  BlockAffinity: {
    normal: [name, field("NODE", "spec.node"), field("CIDR", "spec.cidr"), field("STATE", "spec.state")],
  },
  WorkloadEndpoint: {
    normal: workload,
    wide: [name, ...workload, list("PROFILES", "spec.profiles"), column("NATS", addressTranslations)],
  },
  HostEndpoint: {
    normal: [name, field("NODE", "spec.node")],
    wide: [
      name,
      field("NODE", "spec.node"),
      field("INTERFACE", "spec.interfaceName"),
      list("IPS", "spec.expectedIPs"),
      list("PROFILES", "spec.profiles"),
    ],
  },
  NetworkPolicy: policy,
  GlobalNetworkPolicy: policy,
  StagedNetworkPolicy: policy,
  StagedGlobalNetworkPolicy: policy,
  StagedKubernetesNetworkPolicy: { normal: [name], wide: [name, column("PODSELECTOR", podSelector)] },
  NetworkSet: networkSet,
  GlobalNetworkSet: networkSet,
  Profile: { normal: [name], wide: [name, column("LABELS", profileLabels)] },
  Tier: { normal: [name, field("ORDER", "spec.order", "<nil>")] },
  ClusterInformation: {
    normal: [
      name,
      field("CLUSTERGUID", "spec.clusterGUID"),
      field("CLUSTERTYPE", "spec.clusterType"),
      field("CALICOVERSION", "spec.calicoVersion"),
      field("DATASTOREREADY", "spec.datastoreReady", "<nil>"),
    ],
  },
  IPAMConfiguration: {
    normal: [
      name,
      field("STRICTAFFINITY", "spec.strictAffinity", "false"),
      field("AUTOALLOCATEBLOCKS", "spec.autoAllocateBlocks", "false"),
    ],
    wide: [
      name,
      field("STRICTAFFINITY", "spec.strictAffinity", "false"),
      field("AUTOALLOCATEBLOCKS", "spec.autoAllocateBlocks", "false"),
      field("MAXBLOCKSPERHOST", "spec.maxBlocksPerHost", "0"),
    ],
  },
  CalicoNodeStatus: {
    normal: [name, field("NODE", "spec.node")],
    wide: [name, field("NODE", "spec.node"), list("CLASSES", "spec.classes")],
  },
};

/** The columns for objects of a kind; with `withNamespace` NAMESPACE comes first. */
export function columnsOf(kind: string, wide: boolean, withNamespace: boolean): readonly ResourceColumn[] {
  const { normal, wide: more = normal } = columnsByKind[kind] ?? { normal: [name] };
  return [...(withNamespace ? [namespace] : []), ...(wide ? more : normal)];
}

function column(title: string, value: ResourceColumn["value"]): ResourceColumn {
  return { title, value };
}

function field(title: string, path: string, absent = ""): ResourceColumn {
  return column(title, (object) => textAt(object, path) || absent);
}

function list(title: string, path: string): ResourceColumn {
  return column(title, (object) => shorten(listAt(object, path).map(String).join(",")));
}

function count(title: string, path: string): ResourceColumn {
  return column(title, (object) => String(listAt(object, path).length));
}

function valueAt(object: JsonObject, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>(
      (value, step) => (isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined),
      object,
    );
}

function textAt(object: JsonObject, path: string): string {
  const value = valueAt(object, path);
  return value === undefined || value === null ? "" : String(value);
}

function listAt(object: JsonObject, path: string): readonly unknown[] {
  const value = valueAt(object, path);
  return Array.isArray(value) ? value : [];
}

function shorten(text: string): string {
  return text.length > LONGEST_LIST ? `${text.slice(0, LONGEST_LIST - 3)}...` : text;
}

/** Its own AS number, else the cluster's in parentheses. */
function nodeAsNumber(object: JsonObject, { clusterAsNumber }: CellFacts): string {
  return (
    textAt(object, "spec.bgp.asNumber") ||
    (valueAt(object, "spec.bgp") === undefined ? "" : `(${clusterAsNumber ?? "unknown"})`)
  );
}

function addressTranslations(object: JsonObject): string {
  const nats = listAt(object, "spec.ipNATs").filter(isObject);
  return shorten(nats.map((nat) => `${nat.externalIP}->${nat.internalIP}`).join(","));
}

function podSelector(object: JsonObject): string {
  const labels = valueAt(object, "spec.podSelector.matchLabels");
  return isObject(labels) ? pairs(labels) : "";
}

function profileLabels(object: JsonObject): string {
  const labels = valueAt(object, "spec.labelsToApply");
  return isObject(labels) ? pairs(labels) : "";
}

function pairs(labels: JsonObject): string {
  return shorten(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
  );
}

import type { ResourceKind } from "../resources/kinds.ts";
import type { AnyResource, Resource } from "../resources/resource.ts";
import type { Column } from "./table.ts";

type Columns<Kind extends ResourceKind> = readonly Column<Resource<Kind>>[];

const name = { title: "NAME", value: ({ metadata }: Pick<AnyResource, "metadata">) => metadata.name };
const yesNo = (value: boolean | undefined) => String(value ?? false);
const number = (value: number | undefined) => (value === undefined ? "" : String(value));

const MAX_CELL = 80;
const shortened = (text: string) => (text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text);

const ipamConfigurationColumns: Columns<"IPAMConfiguration"> = [
  name,
  { title: "STRICTAFFINITY", value: ({ spec }) => yesNo(spec.strictAffinity) },
  { title: "AUTOALLOCATEBLOCKS", value: ({ spec }) => yesNo(spec.autoAllocateBlocks) },
];

/** The columns of `get`, and of `get -o wide`; calicoctl's, with a dash for an empty cell. */
const columnsByKind: { readonly [Kind in ResourceKind]: { normal: Columns<Kind>; wide: Columns<Kind> } } = {
  IPPool: {
    normal: [
      name,
      { title: "CIDR", value: ({ spec }) => spec.cidr },
      { title: "SELECTOR", value: ({ spec }) => spec.nodeSelector ?? "all()" },
    ],
    wide: [
      name,
      { title: "CIDR", value: ({ spec }) => spec.cidr },
      { title: "NAT", value: ({ spec }) => yesNo(spec.natOutgoing) },
      { title: "IPIPMODE", value: ({ spec }) => spec.ipipMode ?? "Never" },
      { title: "VXLANMODE", value: ({ spec }) => spec.vxlanMode ?? "Never" },
      { title: "DISABLED", value: ({ spec }) => yesNo(spec.disabled) },
      { title: "DISABLEBGPEXPORT", value: ({ spec }) => yesNo(spec.disableBGPExport) },
      { title: "SELECTOR", value: ({ spec }) => spec.nodeSelector ?? "all()" },
      { title: "ASSIGNMENTMODE", value: ({ spec }) => spec.assignmentMode ?? "Automatic" },
    ],
  },
  Node: {
    normal: [name],
    wide: [
      name,
      { title: "ASN", value: ({ spec }) => number(spec.bgp?.asNumber) },
      { title: "IPV4", value: ({ spec }) => spec.bgp?.ipv4Address ?? "" },
      { title: "IPV6", value: ({ spec }) => spec.bgp?.ipv6Address ?? "" },
    ],
  },
  BGPPeer: both([
    name,
    { title: "PEERIP", value: ({ spec }) => spec.peerIP ?? "" },
    { title: "NODE", value: ({ spec }) => spec.node ?? spec.nodeSelector ?? "(global)" },
    { title: "ASN", value: ({ spec }) => number(spec.asNumber) },
  ]),
  BGPConfiguration: both([
    name,
    { title: "LOGSEVERITY", value: ({ spec }) => spec.logSeverityScreen ?? "" },
    {
      title: "MESHENABLED",
      value: ({ spec }) => (spec.nodeToNodeMeshEnabled === undefined ? "" : yesNo(spec.nodeToNodeMeshEnabled)),
    },
    { title: "ASNUMBER", value: ({ spec }) => number(spec.asNumber) },
  ]),
  BGPFilter: both([
    name,
    { title: "NUMEXPORTV4", value: ({ spec }) => String(spec.exportV4?.length ?? 0), align: "right" },
    { title: "NUMIMPORTV4", value: ({ spec }) => String(spec.importV4?.length ?? 0), align: "right" },
    { title: "NUMEXPORTV6", value: ({ spec }) => String(spec.exportV6?.length ?? 0), align: "right" },
    { title: "NUMIMPORTV6", value: ({ spec }) => String(spec.importV6?.length ?? 0), align: "right" },
  ]),
  IPReservation: {
    normal: [name],
    wide: [name, { title: "CIDRS", value: ({ spec }) => shortened(spec.reservedCIDRs?.join(",") ?? "") }],
  },
  IPAMConfiguration: {
    normal: ipamConfigurationColumns,
    wide: [
      ...ipamConfigurationColumns,
      { title: "MAXBLOCKSPERHOST", value: ({ spec }) => String(spec.maxBlocksPerHost ?? 0) },
    ],
  },
  BlockAffinity: both([
    name,
    { title: "NODE", value: ({ spec }) => spec.node },
    { title: "CIDR", value: ({ spec }) => spec.cidr },
    { title: "STATE", value: ({ spec }) => spec.state },
  ]),
  ClusterInformation: both([
    name,
    { title: "CLUSTERGUID", value: ({ spec }) => spec.clusterGUID ?? "" },
    { title: "CLUSTERTYPE", value: ({ spec }) => spec.clusterType ?? "" },
    { title: "CALICOVERSION", value: ({ spec }) => spec.calicoVersion ?? "" },
    {
      title: "DATASTOREREADY",
      value: ({ spec }) => (spec.datastoreReady === undefined ? "" : yesNo(spec.datastoreReady)),
    },
  ]),
  FelixConfiguration: both([name]),
  WorkloadEndpoint: {
    normal: workloadColumns([]),
    wide: workloadColumns([name]),
  },
};

function both<Kind extends ResourceKind>(columns: Columns<Kind>): { normal: Columns<Kind>; wide: Columns<Kind> } {
  return { normal: columns, wide: columns };
}

function workloadColumns(first: Columns<"WorkloadEndpoint">): Columns<"WorkloadEndpoint"> {
  return [
    { title: "NAMESPACE", value: ({ metadata }) => metadata.namespace ?? "" },
    ...first,
    { title: "WORKLOAD", value: ({ spec }) => spec.pod ?? spec.workload ?? "" },
    { title: "NODE", value: ({ spec }) => spec.node ?? "" },
    { title: "NETWORKS", value: ({ spec }) => spec.ipNetworks?.join(",") ?? "" },
    { title: "INTERFACE", value: ({ spec }) => spec.interfaceName ?? "" },
  ];
}

/** The columns for resources of this kind. */
export function resourceColumns(kind: ResourceKind, wide: boolean): readonly Column<AnyResource>[] {
  const columns = columnsByKind[kind][wide ? "wide" : "normal"];
  // The table is indexed by the very kind that all rows have.
  return columns as unknown as readonly Column<AnyResource>[];
}

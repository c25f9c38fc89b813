import { nearestName } from "../../core/nearest-name.ts";
import { endpointFields, linkFields } from "./fields.ts";
import type { Field, TopologyReader } from "./reader.ts";

/** One end of a link. */
export interface LinkEndpoint {
  readonly node: string;
  /** The device's name in the node. */
  readonly interface: string;
  /** `02:00:00:00:00:01`; the kernel chooses one if absent. */
  readonly macAddress?: string;
}

/** A cable between two nodes: a veth pair. */
export interface LabLink {
  readonly endpoints: readonly [LinkEndpoint, LinkEndpoint];
  /** In octets. */
  readonly mtu: number;
}

/** What the link reader must know of a node. */
export interface LinkableNode {
  readonly kind: string;
  readonly networkMode: string | undefined;
}

/** containerlab's own default, large enough for any encapsulation inside. */
const defaultLinkMtu = 9500;

/** Reads `topology.links`; `nodes` holds every node that the file names. */
export function readLinks(
  reader: TopologyReader,
  field: Field | undefined,
  nodes: ReadonlyMap<string, LinkableNode>,
): LabLink[] {
  if (field === undefined) return [];
  const used = new Map<string, Field>();
  const links: LabLink[] = [];
  for (const item of reader.items(field)) {
    const link = readLink(reader, item, nodes, used);
    if (link !== undefined) links.push(link);
  }
  return links;
}

function readLink(
  reader: TopologyReader,
  item: Field,
  nodes: ReadonlyMap<string, LinkableNode>,
  used: Map<string, Field>,
): LabLink | undefined {
  const fields = reader.fields(item, linkFields);
  const type = fields.get("type");
  const typeName = type === undefined ? "brief" : reader.string(type);
  if (type !== undefined && typeName !== undefined && typeName !== "veth" && typeName !== "brief") {
    reader.problem(type, `links of type "${typeName}" are not supported in this lab; write veth, or leave it out`);
    return undefined;
  }
  const mtuField = fields.get("mtu");
  // 68: the least that IPv4 works with (RFC 791); 65535: the most that a veth takes.
  const mtu = mtuField === undefined ? defaultLinkMtu : reader.integer(mtuField, 68, 65535);
  const list = fields.get("endpoints");
  if (list === undefined) {
    reader.problem(item, 'a link needs endpoints: ["NODE:INTERFACE", "NODE:INTERFACE"]');
    return undefined;
  }
  const items = reader.items(list);
  if (items.length !== 2) {
    reader.problem(list, `a link has 2 endpoints, not ${items.length}: ["NODE:INTERFACE", "NODE:INTERFACE"]`);
    return undefined;
  }
  const [one, other] = items.map((end) => readEndpoint(reader, end, nodes, used));
  if (one === undefined || other === undefined || mtu === undefined) return undefined;
  return { endpoints: [one, other], mtu };
}

function readEndpoint(
  reader: TopologyReader,
  field: Field,
  nodes: ReadonlyMap<string, LinkableNode>,
  used: Map<string, Field>,
): LinkEndpoint | undefined {
  const endpoint = reader.isMapping(field) ? readLongEndpoint(reader, field) : readBriefEndpoint(reader, field);
  if (endpoint === undefined) return undefined;
  const node = nodes.get(endpoint.node);
  if (node === undefined) {
    const nearest = nearestName(endpoint.node, nodes.keys());
    const special = ["host", "mgmt-net", "macvlan", "dummy"].includes(endpoint.node);
    reader.problem(
      field,
      special
        ? `endpoints of "${endpoint.node}" are not supported in this lab; connect two nodes`
        : `there is no node "${endpoint.node}"; ${nearest === undefined ? `nodes are ${[...nodes.keys()].join(", ")}` : `did you mean ${nearest}?`}`,
    );
    return undefined;
  }
  if (
    endpoint.interface === "lo" ||
    !/^[^\s/:]{1,15}$/.test(endpoint.interface) ||
    /^\.\.?$/.test(endpoint.interface)
  ) {
    reader.problem(field, `"${endpoint.interface}" is not an interface name of 1 to 15 characters such as eth1`);
    return undefined;
  }
  if (endpoint.interface === "eth0" && node.kind === "linux" && node.networkMode !== "none") {
    reader.problem(field, '"eth0" is the management interface in containerlab; write eth1, or set network-mode: none');
    return undefined;
  }
  const name = `${endpoint.node}:${endpoint.interface}`;
  const first = used.get(name);
  if (first !== undefined || (endpoint.interface === endpoint.node && node.kind === "bridge")) {
    const reason = first === undefined ? "is the bridge itself" : `is in use already at line ${first.line}`;
    reader.problem(field, `"${name}" ${reason}; every endpoint needs an interface of its own`);
    return undefined;
  }
  used.set(name, field);
  return endpoint;
}

function readBriefEndpoint(reader: TopologyReader, field: Field): LinkEndpoint | undefined {
  const text = reader.string(field);
  if (text === undefined) return undefined;
  const match = /^([^:\s]+):([^:\s]+)$/.exec(text);
  if (match?.[1] !== undefined && match[2] !== undefined) return { node: match[1], interface: match[2] };
  reader.problem(field, `"${text}" is not an endpoint; write NODE:INTERFACE such as n1:eth1`);
  return undefined;
}

function readLongEndpoint(reader: TopologyReader, field: Field): LinkEndpoint | undefined {
  const fields = reader.fields(field, endpointFields);
  const nodeField = fields.get("node");
  const interfaceField = fields.get("interface");
  if (nodeField === undefined || interfaceField === undefined) {
    reader.problem(field, "an endpoint needs node: NODE and interface: INTERFACE");
    return undefined;
  }
  const node = reader.string(nodeField);
  const device = reader.string(interfaceField);
  const macField = fields.get("mac");
  const mac = macField && reader.string(macField);
  if (macField !== undefined && mac !== undefined && !/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(mac)) {
    reader.problem(macField, `"${mac}" is not the MAC address of one device, such as 02:00:00:00:00:01`);
    return undefined;
  }
  if (node === undefined || device === undefined) return undefined;
  return { node, interface: device, ...(mac === undefined ? {} : { macAddress: mac.toLowerCase() }) };
}

import type { IpAddress } from "../../net/address.ts";
import { parseAddresses, parseDetectionMethod, parseNodeAddress } from "./address-settings.ts";
import { settingOf } from "./setting.ts";
import { parseBoolean, parseNodeName } from "./values.ts";

/** Who and where this node is. */
export interface NodeConfig {
  /** Undefined: the stored name, else the host name. */
  readonly nodeName: string | undefined;
  /** "autodetect", "none", or an address with or without prefix length; undefined: the stored one, else autodetect. */
  readonly ip: string | undefined;
  /** As Calico's IP_AUTODETECTION_METHOD. */
  readonly ipAutodetectionMethod: string;
  /** As `ip` for IPv6; undefined: the stored one, else none. */
  readonly ip6: string | undefined;
  /** As Calico's IP6_AUTODETECTION_METHOD. */
  readonly ip6AutodetectionMethod: string;
  /** The node's addresses as Kubernetes has them, for the method kubernetes-internal-ip; undefined: not known. */
  readonly hostIps: readonly IpAddress[] | undefined;
  /** Start although another node has this one's address. */
  readonly skipNodeIpCheck: boolean;
}

const setting = settingOf<NodeConfig>();

const methods =
  "first-found, interface=REGEX, skip-interface=REGEX, cidr=PREFIX, can-reach=HOST or kubernetes-internal-ip";

export const nodeSettings = [
  setting({
    key: "nodeName",
    flag: "node-name",
    placeholder: "NAME",
    environment: ["NODENAME"],
    help: "name of this node (default: the one in the state folder, else the host name)",
    defaultValue: undefined,
    parse: parseNodeName,
  }),
  setting({
    key: "ip",
    flag: "ip",
    placeholder: "ADDRESS[/LEN]",
    environment: ["IP"],
    help: "IPv4 address of this node, or autodetect, or none (default: the stored one, else autodetect)",
    defaultValue: undefined,
    parse: (text: string) => parseNodeAddress(text, 4),
  }),
  setting({
    key: "ipAutodetectionMethod",
    flag: "ip-autodetection-method",
    placeholder: "METHOD",
    environment: ["IP_AUTODETECTION_METHOD"],
    help: methods,
    defaultValue: "first-found",
    parse: parseDetectionMethod,
  }),
  setting({
    key: "ip6",
    flag: "ip6",
    placeholder: "ADDRESS[/LEN]",
    environment: ["IP6"],
    help: "IPv6 address of this node, or autodetect, or none (default: the stored one, else none)",
    defaultValue: undefined,
    parse: (text: string) => parseNodeAddress(text, 6),
  }),
  setting({
    key: "ip6AutodetectionMethod",
    flag: "ip6-autodetection-method",
    placeholder: "METHOD",
    environment: ["IP6_AUTODETECTION_METHOD"],
    help: "as --ip-autodetection-method, for --ip6 autodetect",
    defaultValue: "first-found",
    parse: parseDetectionMethod,
  }),
  setting({
    key: "hostIps",
    flag: "host-ips",
    placeholder: "LIST",
    environment: ["CALIBIRD_HOST_IPS"],
    help: "this node's addresses as Kubernetes has them (status.hostIPs of the agent's pod), for kubernetes-internal-ip",
    defaultValue: undefined,
    parse: parseAddresses,
  }),
  setting({
    key: "skipNodeIpCheck",
    flag: "skip-node-ip-check",
    placeholder: "BOOLEAN",
    environment: ["DISABLE_NODE_IP_CHECK"],
    help: "true: start although another node has this one's address",
    defaultValue: false,
    parse: parseBoolean,
  }),
];

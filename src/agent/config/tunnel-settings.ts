import type { IpipBackendChoice } from "../tunnels/ipip-backend.ts";
import { parseIpipBackend } from "./ipip-settings.ts";
import { settingOf } from "./setting.ts";
import { parseBoolean, parseInteger } from "./values.ts";
import { type ChecksumOffload, parseChecksumOffload, parseDeviceName } from "./vxlan-settings.ts";

/** How packets between nodes are wrapped up. */
export interface TunnelConfig {
  /** How long a tunnel's device and address stay when no pool uses it any more, in seconds. */
  readonly tunnelGraceSec: number;
  readonly tunnelPmtuDiscovery: boolean;
  readonly ipipBackend: IpipBackendChoice;
  readonly vxlanDevice: string;
  readonly vxlanDeviceV6: string;
  readonly vxlanVni: number;
  readonly vxlanPort: number;
  readonly vxlanChecksumOffload: ChecksumOffload;
  readonly udpEncapDevice: string;
  readonly udpEncapPort: number;
}

const setting = settingOf<TunnelConfig>();

export const tunnelSettings = [
  setting({
    key: "tunnelGraceSec",
    flag: "tunnel-grace",
    placeholder: "SECONDS",
    environment: ["CALIBIRD_TUNNEL_GRACE_SEC"],
    help: "how long a tunnel stays when no pool uses it any more: nodes that follow late still send through it",
    defaultValue: 60,
    parse: (text: string) => parseInteger(text, 1, 86_400, "a number of seconds"),
  }),
  setting({
    key: "ipipBackend",
    flag: "ipip-backend",
    placeholder: "WHO",
    environment: ["CALIBIRD_IPIP_BACKEND"],
    help: "who carries IPIP packets: kernel, userspace (the agent), or auto: the kernel if it has ipip, else the agent",
    defaultValue: "auto",
    parse: parseIpipBackend,
  }),
  setting({
    key: "vxlanDevice",
    flag: "vxlan-device",
    placeholder: "NAME",
    environment: ["CALIBIRD_VXLAN_DEVICE"],
    help: "name of the VXLAN device; flannel.1 with flannel",
    defaultValue: "vxlan.calico",
    parse: parseDeviceName,
  }),
  setting({
    key: "vxlanDeviceV6",
    flag: "vxlan-device-v6",
    placeholder: "NAME",
    environment: ["CALIBIRD_VXLAN_DEVICE_V6"],
    help: "name of the VXLAN device of IPv6 pools; flannel-v6.1 with flannel",
    defaultValue: "vxlan-v6.calico",
    parse: parseDeviceName,
  }),
  setting({
    key: "vxlanVni",
    flag: "vxlan-vni",
    placeholder: "NUMBER",
    environment: ["CALIBIRD_VXLAN_VNI", "FELIX_VXLANVNI"],
    help: "network identifier of VXLAN, the same on all nodes; 1 with flannel",
    defaultValue: 4096,
    parse: (text: string) => parseInteger(text, 1, 2 ** 24 - 1, "a VXLAN network identifier"),
  }),
  setting({
    key: "vxlanPort",
    flag: "vxlan-port",
    placeholder: "PORT",
    environment: ["CALIBIRD_VXLAN_PORT", "FELIX_VXLANPORT"],
    help: "UDP port of VXLAN, the same on all nodes; 8472 with flannel",
    defaultValue: 4789,
    parse: (text: string) => parseInteger(text, 1, 65535, "a UDP port"),
  }),
  setting({
    key: "vxlanChecksumOffload",
    flag: "vxlan-checksum-offload",
    placeholder: "WHETHER",
    environment: ["CALIBIRD_VXLAN_CHECKSUM_OFFLOAD"],
    help: "off: the kernel computes the checksums of packets into VXLAN; on: as the driver has it; auto: off up to kernel 5.7",
    defaultValue: "auto",
    parse: parseChecksumOffload,
  }),
  setting({
    key: "tunnelPmtuDiscovery",
    flag: "tunnel-pmtu-discovery",
    placeholder: "BOOLEAN",
    environment: ["CALIBIRD_TUNNEL_PMTU_DISCOVERY"],
    help: "true: no outer packet of IPIP and UDP may be fragmented; false: routers may, unless (IPIP) the inner one forbids it",
    defaultValue: true,
    parse: parseBoolean,
  }),
  setting({
    key: "udpEncapDevice",
    flag: "udp-encap-device",
    placeholder: "NAME",
    environment: ["CALIBIRD_UDP_ENCAP_DEVICE"],
    help: "name of the device of UDP tunnels; flannel0 with flannel",
    defaultValue: "udp.calibird",
    parse: parseDeviceName,
  }),
  setting({
    key: "udpEncapPort",
    flag: "udp-encap-port",
    placeholder: "PORT",
    environment: ["CALIBIRD_UDP_ENCAP_PORT"],
    help: "UDP port of UDP tunnels, the same on all nodes; flannel's, too",
    defaultValue: 8285,
    parse: (text: string) => parseInteger(text, 1, 65535, "a UDP port"),
  }),
] as const;

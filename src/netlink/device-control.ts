import { closeSync } from "node:fs";
import { hostIsLittleEndian } from "../sys/byte-order.ts";
import { createSocket, interfaceIoctl } from "../sys/libc.ts";
import { withNamespaceSync } from "./namespace.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;

/** SIOCETHTOOL and its commands (linux/sockios.h, linux/ethtool.h); struct ethtool_value: u32 command, u32 data. */
const ETHTOOL = 0x8946;
const GET_TX_CHECKSUM = 0x16;
const SET_TX_CHECKSUM = 0x17;

/** SIOCGETTUNNEL, SIOCCHGTUNNEL and struct ip_tunnel_parm (linux/if_tunnel.h): 32 octets and then a struct iphdr. */
const GET_TUNNEL = 0x89f0;
const CHANGE_TUNNEL = 0x89f3;
const TUNNEL_BYTES = 52;
const HEADER = 32;
const FRAGMENT_OFFSET = HEADER + 6;
const PROTOCOL = HEADER + 9;
const DONT_FRAGMENT = 0x4000;
const IPPROTO_IPIP = 4;

/** Settings of devices that rtnetlink does not reach. All calls are synchronous; they throw SyscallError or NetlinkError. */
export class DeviceControl {
  readonly #namespace: { readonly path: string } | undefined;

  /** Of the devices of a namespace; default: the one that the calling thread is in. */
  constructor(options: { readonly namespace?: { readonly path: string } } = {}) {
    this.#namespace = options.namespace;
  }

  /** Whether the device's driver leaves checksums of sent packets to the hardware below it. */
  checksumOffload(device: string): boolean {
    return this.#ethtool(device, GET_TX_CHECKSUM, 0) !== 0;
  }

  /** What `ethtool -K DEVICE tx on|off` does. */
  setChecksumOffload(device: string, enabled: boolean): void {
    this.#ethtool(device, SET_TX_CHECKSUM, enabled ? 1 : 0);
  }

  /**
   * What `ip tunnel change DEVICE mode ipip pmtudisc|nopmtudisc` does. Of the tunl0 that the kernel makes by itself,
   * rtnetlink cannot change this.
   */
  setPmtuDiscovery(device: string, enabled: boolean): void {
    this.#withSocket((fd) => {
      const parameters = new Uint8Array(TUNNEL_BYTES);
      interfaceIoctl(fd, GET_TUNNEL, device, parameters);
      // An IPv4 header of five words, as the kernel wants to see it.
      parameters[HEADER] = 0x45;
      parameters[PROTOCOL] = IPPROTO_IPIP;
      new DataView(parameters.buffer).setUint16(FRAGMENT_OFFSET, enabled ? DONT_FRAGMENT : 0, false);
      interfaceIoctl(fd, CHANGE_TUNNEL, device, parameters);
    });
  }

  /** net.ipv4.conf.DEVICE.rp_filter: 0 off, 1 strict, 2 loose (RFC 3704); what counts is the larger of it and `all`. */
  reversePathFilter(device: string): number {
    return Number(readSysctl(["net", "ipv4", "conf", device, "rp_filter"], this.#options()));
  }

  setReversePathFilter(device: string, mode: 0 | 1 | 2): void {
    writeSysctl(["net", "ipv4", "conf", device, "rp_filter"], String(mode), this.#options());
  }

  #ethtool(device: string, command: number, data: number): number {
    return this.#withSocket((fd) => {
      const value = new Uint8Array(8);
      const view = new DataView(value.buffer);
      view.setUint32(0, command, hostIsLittleEndian);
      view.setUint32(4, data, hostIsLittleEndian);
      interfaceIoctl(fd, ETHTOOL, device, value);
      return view.getUint32(4, hostIsLittleEndian);
    });
  }

  #withSocket<Result>(use: (fd: number) => Result): Result {
    const open = (): number => createSocket(AF_INET, SOCK_DGRAM, 0);
    const fd = this.#namespace === undefined ? open() : withNamespaceSync(this.#namespace.path, open);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  }

  #options(): { readonly namespace?: { readonly path: string } } {
    return this.#namespace === undefined ? {} : { namespace: this.#namespace };
  }
}

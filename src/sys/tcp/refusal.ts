import { closeSync } from "node:fs";
import { Secret } from "../../core/secret.ts";
import type { TcpKey, TcpOptions } from "../../core/tcp.ts";
import { createSocket, SyscallError } from "../libc.ts";
import { AF_INET } from "./addresses.ts";
import { maxKeyOctets, setTcpKey } from "./keys.ts";

const SOCK_STREAM = 1;
/** The kernel is built without the option, or lacks the algorithm, or a policy such as FIPS mode forbids it. */
const refusals = new Set(["ENOPROTOOPT", "EOPNOTSUPP", "ENOENT", "EPERM"]);

const longestDeviceName = 15;

/** Why these options can't be had on this machine, as half a sentence; undefined if they can. */
export function refusalOf({ device, ttl, minimumTtl, userTimeoutMs, key }: TcpOptions): string | undefined {
  if (device !== undefined && (device === "" || Buffer.byteLength(device) > longestDeviceName))
    return `"${device}" is no name of a network device: it must have 1 to ${longestDeviceName} octets`;
  for (const [name, value] of Object.entries({ ttl, minimumTtl }))
    if (value !== undefined && !isInteger(value, 1, 255)) return `${name} ${value} must be from 1 to 255`;
  if (userTimeoutMs !== undefined && !isInteger(userTimeoutMs, 1, 0x7fffffff))
    return `userTimeoutMs ${userTimeoutMs} must be a number of milliseconds above 0`;
  return key === undefined ? undefined : refusalOfKey(key);
}

function refusalOfKey(key: TcpKey): string | undefined {
  const octets = Buffer.byteLength(key.password.reveal());
  if (octets < 1 || octets > maxKeyOctets) return `a TCP password has 1 to ${maxKeyOctets} octets, not ${octets}`;
  if (key.kind === "md5") return hasKeys(key.kind) ? undefined : "this kernel has no TCP MD5 signatures (RFC 2385)";
  for (const [name, value] of Object.entries({ sendId: key.sendId, receiveId: key.receiveId }))
    if (!isInteger(value, 0, 255)) return `${name} ${value} of a TCP-AO key must be from 0 to 255`;
  return hasKeys(key.kind) ? undefined : "this kernel has no TCP-AO (RFC 5925): it needs Linux 6.7 with CONFIG_TCP_AO";
}

function isInteger(value: number, lowest: number, highest: number): boolean {
  return Number.isInteger(value) && value >= lowest && value <= highest;
}

const probes: Readonly<Record<TcpKey["kind"], TcpKey>> = {
  md5: { kind: "md5", password: new Secret("probe") },
  ao: { kind: "ao", algorithm: "hmac-sha-1-96", password: new Secret("probe"), sendId: 1, receiveId: 1 },
};

/** What the kernel has answered; it does not change its mind. */
const answers = new Map<TcpKey["kind"], boolean>();

function hasKeys(kind: TcpKey["kind"]): boolean {
  const known = answers.get(kind);
  if (known !== undefined) return known;
  const answer = probe(probes[kind]);
  answers.set(kind, answer);
  return answer;
}

function probe(key: TcpKey): boolean {
  const fd = createSocket(AF_INET, SOCK_STREAM, 0);
  try {
    setTcpKey(fd, AF_INET, { address: "192.0.2.1" }, key);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && refusals.has(error.code)) return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}

import type { TcpKey, TcpRange } from "../../core/tcp.ts";
import { hostIsLittleEndian } from "../byte-order.ts";
import { SyscallError, setSocketOption } from "../libc.ts";
import { AF_INET, domainOf, encodeSocketAddress } from "./addresses.ts";

// linux/tcp.h
const IPPROTO_TCP = 6;
const TCP_MD5SIG = 14;
const TCP_MD5SIG_EXT = 32;
const TCP_AO_ADD_KEY = 38;
const TCP_AO_DEL_KEY = 39;
const TCP_MD5SIG_FLAG_PREFIX = 1;

const ENOENT = 2;

/** TCP_MD5SIG_MAXKEYLEN and TCP_AO_MAXKEYLEN. */
export const maxKeyOctets = 80;

/** struct tcp_md5sig: address, flags, prefix length, key length, device index, key. */
const md5 = { flags: 128, prefixLength: 129, keyLength: 130, key: 136, bytes: 216 } as const;

/** struct tcp_ao_add: address, algorithm's name, device index, bits, padding, then octet-sized fields and the key. */
const aoAdd = { algorithm: 128, prefixLength: 202, sendId: 203, receiveId: 204, keyLength: 207, key: 208, bytes: 288 };

/** struct tcp_ao_del: address, device index, bits, padding, then octet-sized fields. */
const aoDelete = { prefixLength: 138, sendId: 139, receiveId: 140, bytes: 144 } as const;

/** As the kernel's crypto names them; RFC 5926 calls for both. */
const algorithmNames = { "hmac-sha-1-96": "hmac(sha1)", "aes-128-cmac-96": "cmac(aes128)" } as const;

/**
 * Has a socket accept, and send, to this range only what this key signs. A key of the same range is replaced (MD5), or must
 * have been removed before (AO). Throws SyscallError.
 */
export function setTcpKey(fd: number, domain: number, range: TcpRange, key: TcpKey): void {
  const secret = Buffer.from(key.password.reveal());
  const remote = encodeSocketAddress(domain, range.address, 0);
  if (key.kind === "md5") {
    setMd5Key(fd, remote, range.prefixLength, secret);
    return;
  }
  const bytes = new Uint8Array(aoAdd.bytes);
  bytes.set(remote);
  bytes.set(Buffer.from(algorithmNames[key.algorithm]), aoAdd.algorithm);
  bytes[aoAdd.prefixLength] = range.prefixLength ?? addressBits(range.address);
  bytes[aoAdd.sendId] = key.sendId;
  bytes[aoAdd.receiveId] = key.receiveId;
  bytes[aoAdd.keyLength] = secret.length;
  bytes.set(secret, aoAdd.key);
  setSocketOption(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, bytes);
}

/** Takes a key off a listening socket. Nothing happens if there is none. Throws SyscallError. */
export function removeTcpKey(fd: number, domain: number, range: TcpRange, key: TcpKey): void {
  const remote = encodeSocketAddress(domain, range.address, 0);
  try {
    if (key.kind === "md5") {
      setMd5Key(fd, remote, range.prefixLength, new Uint8Array(0));
      return;
    }
    const bytes = new Uint8Array(aoDelete.bytes);
    bytes.set(remote);
    bytes[aoDelete.prefixLength] = range.prefixLength ?? addressBits(range.address);
    bytes[aoDelete.sendId] = key.sendId;
    bytes[aoDelete.receiveId] = key.receiveId;
    setSocketOption(fd, IPPROTO_TCP, TCP_AO_DEL_KEY, bytes);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ENOENT) throw error;
  }
}

/** An empty key removes. */
function setMd5Key(fd: number, remote: Uint8Array, prefixLength: number | undefined, secret: Uint8Array): void {
  const bytes = new Uint8Array(md5.bytes);
  bytes.set(remote);
  if (prefixLength !== undefined) {
    bytes[md5.flags] = TCP_MD5SIG_FLAG_PREFIX;
    bytes[md5.prefixLength] = prefixLength;
  }
  new DataView(bytes.buffer).setUint16(md5.keyLength, secret.length, hostIsLittleEndian);
  bytes.set(secret, md5.key);
  setSocketOption(fd, IPPROTO_TCP, prefixLength === undefined ? TCP_MD5SIG : TCP_MD5SIG_EXT, bytes);
}

/** A prefix length is that of the address itself, also where an IPv6 socket names it mapped. */
function addressBits(address: string): number {
  return domainOf(address) === AF_INET ? 32 : 128;
}

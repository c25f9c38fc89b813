import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { TcpKey, TcpListen, TcpListener, TcpRange, TcpSockets } from "../../core/tcp.ts";
import { connectSocket, startServer } from "../../core/tcp-node.ts";
import { bindSocket, createSocket, SyscallError } from "../libc.ts";
import { AF_INET, AF_INET6, domainOf, encodeSocketAddress } from "./addresses.ts";
import { removeTcpKey, setTcpKey } from "./keys.ts";
import { setConnectionOptions, setDialOptions, setListenerOptions } from "./options.ts";
import { refusalOf } from "./refusal.ts";

const SOCK_STREAM = 1;
const EAFNOSUPPORT = 97;

/**
 * TCP with all options of `TcpOptions`. The system calls for a socket are made here, then node's `net` takes its descriptor
 * over, so that reading, writing and closing are as everywhere. All packets are of class CS6.
 */
export const nativeSockets: TcpSockets = {
  refusal: refusalOf,
  async dial(request, signal) {
    const { address, options } = request;
    const domain = domainOf(address);
    const socket = withDescriptor(domain, (fd) => {
      setDialOptions(fd, domain === AF_INET ? 4 : 6, options);
      if (options.key !== undefined) setTcpKey(fd, domain, { address }, options.key);
      return new Socket({ fd });
    });
    return connectSocket(socket, request, signal);
  },
  listen,
  prepare(socket, options) {
    const fd = descriptorOf(socket);
    const { domain, address } = remoteOf(socket);
    setConnectionOptions(fd, domainOf(address) === AF_INET ? 4 : 6, options);
    if (options.key !== undefined) setTcpKey(fd, domain, { address }, options.key);
  },
  changeKey(socket, key) {
    const { domain, address } = remoteOf(socket);
    setTcpKey(descriptorOf(socket), domain, { address }, key);
  },
};

async function listen(request: TcpListen): Promise<TcpListener> {
  const { address, backlog } = request;
  const [fd, domain] = address === undefined ? bindAny(request.port) : [bind(address, request.port), domainOf(address)];
  // Node owns the descriptor from here on, also if it can't listen.
  const { server, port } = await startServer(request, (fresh) => fresh.listen({ fd }, backlog));
  const keys = new Map<string, TcpKey>();
  return {
    port,
    setKey: (range, key) => changeListenerKey(fd, domain, keys, range, key),
    close: () => server.close(),
  };
}

/** A socket for both families; for IPv4 alone where the kernel has no IPv6. */
function bindAny(port: number): [number, number] {
  try {
    return [bind("::", port), AF_INET6];
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EAFNOSUPPORT) throw error;
    return [bind("0.0.0.0", port), AF_INET];
  }
}

function bind(address: string, port: number): number {
  const domain = domainOf(address);
  return withDescriptor(domain, (fd) => {
    setListenerOptions(fd, domain);
    bindSocket(fd, encodeSocketAddress(domain, address, port));
    return fd;
  });
}

function changeListenerKey(
  fd: number,
  domain: number,
  keys: Map<string, TcpKey>,
  range: TcpRange,
  key: TcpKey | undefined,
): void {
  const name = `${range.address}/${range.prefixLength ?? ""}`;
  const old = keys.get(name);
  // An MD5 key is replaced by the next one; all else would stay beside it.
  if (old !== undefined && (key === undefined || old.kind === "ao" || key.kind === "ao")) {
    removeTcpKey(fd, domain, range, old);
    keys.delete(name);
  }
  if (key === undefined) return;
  setTcpKey(fd, domain, range, key);
  keys.set(name, key);
}

/** Gives a new socket to `use`, and closes it if that fails. */
function withDescriptor<Result>(domain: number, use: (fd: number) => Result): Result {
  const fd = createSocket(domain, SOCK_STREAM, 0);
  try {
    return use(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Of a connected socket: its own domain, and the peer's address as IPv4 where it is mapped. */
function remoteOf(socket: Socket): { readonly domain: number; readonly address: string } {
  const { remoteAddress, remoteFamily } = socket;
  if (remoteAddress === undefined) throw new TypeError("the connection is gone already");
  return {
    domain: remoteFamily === "IPv6" ? AF_INET6 : AF_INET,
    address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ""),
  };
}

/** Node keeps a socket's descriptor in its handle and documents neither: without it nothing can be set. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number" || fd < 0) throw new TypeError("the connection is gone already");
  return fd;
}

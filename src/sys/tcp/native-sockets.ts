import { closeSync } from "node:fs";
import type { TcpConnection, TcpListen, TcpSockets } from "../../core/tcp.ts";
import { bindSocket, createSocket, listenOnSocket, SyscallError } from "../libc.ts";
import { AF_INET, AF_INET6, domainOf, encodeEndpoint, encodeSocketAddress } from "./addresses.ts";
import { dialSocket } from "./dialling.ts";
import { setTcpKey } from "./keys.ts";
import { NativeConnection } from "./native-connection.ts";
import { NativeListener } from "./native-listener.ts";
import { setAddressReuse, setConnectionOptions, setDialOptions, setListenerOptions } from "./options.ts";
import { Poller } from "./poller.ts";
import { ReceiveBuffers } from "./receive-buffers.ts";
import { refusalOf } from "./refusal.ts";

const SOCK_STREAM = 1;
const EAFNOSUPPORT = 97;

/** Of this thread; nothing of it is there while no socket is open. */
const poller = new Poller();
const buffers = new ReceiveBuffers();

/**
 * TCP with all options of `TcpOptions`, and without node's streams: system calls are made here, octets are received into the same
 * memory again and again and sent from where they lie. All packets are of class CS6.
 */
export const nativeSockets: TcpSockets = {
  refusal: refusalOf,
  async dial(request, signal) {
    const { address, port, localAddress, localPort, options } = request;
    const domain = domainOf(address);
    const fd = withDescriptor(domain, (fresh) => {
      setDialOptions(fresh, domain === AF_INET ? 4 : 6, options);
      if (options.key !== undefined) setTcpKey(fresh, domain, { address }, options.key);
      if (localAddress !== undefined || localPort !== undefined) {
        setAddressReuse(fresh);
        bindSocket(fresh, encodeEndpoint(domain, localAddress ?? anyOf(domain), localPort ?? 0));
      }
      return fresh;
    });
    const use = () => new NativeConnection(fd, { domain, address, port }, poller, buffers);
    return dialSocket(fd, encodeEndpoint(domain, address, port), { poller, signal, use });
  },
  async listen(request) {
    const { address, port } = request;
    if (address !== undefined) return listen(domainOf(address), address, port, request);
    try {
      return listen(AF_INET6, anyOf(AF_INET6), port, request);
    } catch (error) {
      // A kernel without IPv6.
      if (!(error instanceof SyscallError) || error.errno !== EAFNOSUPPORT) throw error;
      return listen(AF_INET, anyOf(AF_INET), port, request);
    }
  },
  prepare(connection, options) {
    const { descriptor, domain, remoteAddress } = nativeOf(connection);
    setConnectionOptions(descriptor, domainOf(remoteAddress) === AF_INET ? 4 : 6, options);
    if (options.key !== undefined) setTcpKey(descriptor, domain, { address: remoteAddress }, options.key);
  },
  changeKey(connection, key) {
    const { descriptor, domain, remoteAddress } = nativeOf(connection);
    setTcpKey(descriptor, domain, { address: remoteAddress }, key);
  },
};

function listen(domain: number, address: string, port: number, request: TcpListen): NativeListener {
  return withDescriptor(domain, (fd) => {
    setListenerOptions(fd, domain);
    bindSocket(fd, encodeSocketAddress(domain, address, port));
    listenOnSocket(fd, request.backlog);
    return new NativeListener(fd, domain, request, poller, buffers);
  });
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

function anyOf(domain: number): string {
  return domain === AF_INET ? "0.0.0.0" : "::";
}

function nativeOf(connection: TcpConnection): NativeConnection {
  if (connection instanceof NativeConnection) return connection;
  throw new TypeError("the connection was made by other sockets");
}

import { errorMessage } from "../../core/errors.ts";

/** The errno name of an error of node's `net`, such as ECONNREFUSED. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

const meanings: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "connection refused: nothing listens on the peer's BGP port, or a firewall rejects it"],
  ["ECONNRESET", "the peer reset the connection"],
  ["EPIPE", "the peer has closed the connection"],
  ["ETIMEDOUT", "the peer does not answer: it is down, or a firewall drops the packets"],
  ["EHOSTUNREACH", "the peer's host is unreachable"],
  ["ENETUNREACH", "there is no route to the peer"],
  ["EADDRNOTAVAIL", "the configured local address is not an address of this host"],
  ["EADDRINUSE", "no free local port for a connection to the peer"],
  ["EACCES", "the kernel forbids the connection (EACCES): look for a firewall rule or missing privileges"],
  ["EPERM", "the kernel forbids the connection (EPERM): look for a firewall rule"],
]);

/** What a failed connection means, for a `SessionDownReason`. The only place that looks into errors of node's `net`. */
export function describeTcpError(error: unknown): string {
  const errno = errnoOf(error);
  return (errno === undefined ? undefined : meanings.get(errno)) ?? errorMessage(error);
}

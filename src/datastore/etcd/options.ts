import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { Secret } from "../../core/secret.ts";
import { invalidOption } from "./invalid-option.ts";
import type { EtcdTlsOptions } from "./tls.ts";

export interface EtcdOptions {
  /** URLs of the members, `https://10.0.0.1:2379`; all http or all https. Port 2379 if none is given. */
  readonly endpoints: readonly string[];
  /** For https only. */
  readonly tls?: EtcdTlsOptions;
  readonly credentials?: { readonly username: string; readonly password: Secret };
  /** How long one member may take for one request; 3,000 by default. */
  readonly requestTimeoutMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Numbers in [0, 1); spread the retries of many nodes. */
  readonly random?: () => number;
}

/** The endpoints in their normal form, `http://host:port`. Throws `INVALID_CONNECTION`. */
export function parseEndpoints(endpoints: readonly string[]): readonly string[] {
  if (endpoints.length === 0)
    throw invalidOption("endpoints", "", "is empty; name at least one, like http://127.0.0.1:2379");
  const parsed = endpoints.map(parseEndpoint);
  const schemes = new Set(parsed.map((endpoint) => endpoint.slice(0, endpoint.indexOf(":"))));
  if (schemes.size > 1) throw invalidOption("endpoints", endpoints.join(","), "mixes http and https; use one of them");
  return [...new Set(parsed)];
}

function parseEndpoint(text: string): string {
  const trimmed = text.trim();
  const expected = "is no etcd endpoint; write http://HOST:PORT or https://HOST:PORT";
  if (!URL.canParse(trimmed)) throw invalidOption("endpoints", text, expected);
  const { protocol, hostname, port, pathname, username, search, hash } = new URL(trimmed);
  const plain = (pathname === "" || pathname === "/") && username === "" && search === "" && hash === "";
  if (!/^https?:$/.test(protocol) || hostname === "" || !plain) throw invalidOption("endpoints", text, expected);
  // URL leaves out a port that is the scheme's usual one, and for etcd that is none.
  const written = /:(\d+)\/?$/.exec(trimmed)?.[1];
  return `${protocol}//${hostname}:${port || written || "2379"}`;
}

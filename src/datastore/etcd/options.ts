import { readFileSync } from "node:fs";
import { rootCertificates } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Secret } from "../../core/secret.ts";
import { DatastoreError } from "../errors.ts";

/** A certificate or key in PEM: a file, read when the store is opened, or the text itself. */
export type PemSource = { readonly file: string } | { readonly pem: string };

export interface EtcdTlsOptions {
  /** The authorities that may have signed the store's certificate; without it those that Node.js knows. */
  readonly ca?: PemSource;
  /** Our own certificate, and the others of its chain after it. Goes together with `key`. */
  readonly certificate?: PemSource;
  readonly key?: PemSource;
}

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

/** What was read of an EtcdTlsOptions. */
export interface TlsMaterial {
  readonly rootCertificate: Buffer;
  readonly certChain?: Buffer;
  readonly privateKey?: Buffer;
}

/** The endpoints in their normal form, `http://host:port`. Throws `INVALID_CONNECTION`. */
export function parseEndpoints(endpoints: readonly string[]): readonly string[] {
  if (endpoints.length === 0) throw invalid("endpoints", "", "is empty; name at least one, like http://127.0.0.1:2379");
  const parsed = endpoints.map(parseEndpoint);
  const schemes = new Set(parsed.map((endpoint) => endpoint.slice(0, endpoint.indexOf(":"))));
  if (schemes.size > 1) throw invalid("endpoints", endpoints.join(","), "mixes http and https; use one of them");
  return [...new Set(parsed)];
}

/** Reads the files. Throws `INVALID_CONNECTION`. */
export function readTls(endpoints: readonly string[], tls: EtcdTlsOptions | undefined): TlsMaterial | undefined {
  const secure = endpoints.some((endpoint) => endpoint.startsWith("https:"));
  if (tls !== undefined && !secure && Object.values(tls).some((source) => source !== undefined))
    throw invalid("endpoints", endpoints.join(","), "is http, which uses no certificates; write https");
  if (!secure) return undefined;
  const { ca, certificate, key } = tls ?? {};
  if ((certificate === undefined) !== (key === undefined))
    throw invalid(
      certificate === undefined ? "certificate" : "key",
      "",
      "is missing; a client certificate and its key go together",
    );
  const sources = [ca, certificate, key].filter((source) => source !== undefined);
  if (sources.some((source) => "file" in source) && sources.some((source) => "pem" in source))
    throw invalid("tls", "", "mixes files and inline text; give all of CA, certificate and key in one way");
  return {
    rootCertificate: ca === undefined ? Buffer.from(rootCertificates.join("\n")) : readPem("ca", "CERTIFICATE", ca),
    ...(certificate !== undefined && { certChain: readPem("certificate", "CERTIFICATE", certificate) }),
    ...(key !== undefined && { privateKey: readPem("key", "PRIVATE KEY", key) }),
  };
}

function parseEndpoint(text: string): string {
  const trimmed = text.trim();
  const expected = "is no etcd endpoint; write http://HOST:PORT or https://HOST:PORT";
  if (!URL.canParse(trimmed)) throw invalid("endpoints", text, expected);
  const { protocol, hostname, port, pathname, username, search, hash } = new URL(trimmed);
  const plain = (pathname === "" || pathname === "/") && username === "" && search === "" && hash === "";
  if (!/^https?:$/.test(protocol) || hostname === "" || !plain) throw invalid("endpoints", text, expected);
  // URL leaves out a port that is the scheme's usual one, and for etcd that is none.
  const written = /:(\d+)\/?$/.exec(trimmed)?.[1];
  return `${protocol}//${hostname}:${port || written || "2379"}`;
}

function readPem(field: string, label: string, source: PemSource): Buffer {
  let text: Buffer;
  const name = "file" in source ? source.file : "inline";
  try {
    text = "file" in source ? readFileSync(source.file) : Buffer.from(source.pem);
  } catch (error) {
    throw invalid(field, name, `can't be read: ${errorMessage(error)}`, error);
  }
  if (!new RegExp(`-----BEGIN ([A-Z]+ )*${label}-----`).test(text.toString("latin1")))
    throw invalid(field, name, `holds no ${label} in PEM form`);
  return text;
}

function invalid(field: string, value: string, reason: string, cause?: unknown): DatastoreError {
  const shown = value === "" ? field : `${field} "${value}"`;
  return new DatastoreError("INVALID_CONNECTION", `etcd ${shown} ${reason}`, { field, value }, cause);
}

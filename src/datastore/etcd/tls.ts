import { readFileSync } from "node:fs";
import { createSecureContext, rootCertificates } from "node:tls";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { invalidOption } from "./invalid-option.ts";

/** A certificate or key in PEM: a file, read when the store is opened and again when it has failed, or the text itself. */
export type PemSource = { readonly file: string } | { readonly pem: string };

export interface EtcdTlsOptions {
  /** The authorities that may have signed the store's certificate; without it those that Node.js knows. */
  readonly ca?: PemSource;
  /** Our own certificate, and the others of its chain after it. Goes together with `key`. */
  readonly certificate?: PemSource;
  readonly key?: PemSource;
}

/** What was read of an EtcdTlsOptions. */
export interface TlsMaterial {
  readonly rootCertificate: Buffer;
  readonly certChain?: Buffer;
  readonly privateKey?: Buffer;
}

/** Reads the files; undefined for http. Throws `INVALID_CONNECTION`. */
export function readTls(endpoints: readonly string[], tls: EtcdTlsOptions | undefined): TlsMaterial | undefined {
  const secure = endpoints.some((endpoint) => endpoint.startsWith("https:"));
  if (tls !== undefined && !secure && Object.values(tls).some((source) => source !== undefined))
    throw invalidOption("endpoints", endpoints.join(","), "is http, which uses no certificates; write https");
  if (!secure) return undefined;
  const { ca, certificate, key } = tls ?? {};
  if ((certificate === undefined) !== (key === undefined))
    throw invalidOption(
      certificate === undefined ? "certificate" : "key",
      "",
      "is missing; a client certificate and its key go together",
    );
  const sources = [ca, certificate, key].filter((source) => source !== undefined);
  if (sources.some((source) => "file" in source) && sources.some((source) => "pem" in source))
    throw invalidOption("tls", "", "mixes files and inline text; give all of CA, certificate and key in one way");
  return {
    rootCertificate: ca === undefined ? Buffer.from(rootCertificates.join("\n")) : readPem("ca", "CERTIFICATE", ca),
    ...(certificate !== undefined && { certChain: readPem("certificate", "CERTIFICATE", certificate) }),
    ...(key !== undefined && { privateKey: readPem("key", "PRIVATE KEY", key) }),
  };
}

/** The certificates of one store, which somebody may exchange while it is open. */
export class TlsReader {
  readonly #endpoints: readonly string[];
  readonly #options: EtcdTlsOptions | undefined;
  readonly #logger: Logger;
  /** What was wrong with the files when they were last looked at. */
  #complaint: string | undefined;

  constructor(endpoints: readonly string[], options: EtcdTlsOptions | undefined, logger: Logger) {
    this.#endpoints = endpoints;
    this.#options = options;
    this.#logger = logger;
  }

  /** Undefined for http. Throws `INVALID_CONNECTION`. */
  read(): TlsMaterial | undefined {
    return readTls(this.#endpoints, this.#options);
  }

  /** What the files say now, if that is something new and of use. Files that are just being exchanged are not, and stay in use as they were. */
  changedSince(used: TlsMaterial | undefined): TlsMaterial | undefined {
    if (used === undefined) return undefined;
    try {
      const fresh = readTls(this.#endpoints, this.#options);
      if (fresh === undefined || isSame(fresh, used)) return undefined;
      // Throws if the key is another certificate's.
      createSecureContext({ ca: fresh.rootCertificate, cert: fresh.certChain, key: fresh.privateKey });
      this.#complaint = undefined;
      this.#logger.info({}, "using new certificates for etcd");
      return fresh;
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== this.#complaint) this.#logger.warn({ reason }, "new certificates for etcd cannot be used");
      this.#complaint = reason;
      return undefined;
    }
  }
}

function isSame(left: TlsMaterial, right: TlsMaterial): boolean {
  const isEqual = (one: Buffer | undefined, other: Buffer | undefined) =>
    one === undefined || other === undefined ? one === other : one.equals(other);
  return (
    isEqual(left.rootCertificate, right.rootCertificate) &&
    isEqual(left.certChain, right.certChain) &&
    isEqual(left.privateKey, right.privateKey)
  );
}

function readPem(field: string, label: string, source: PemSource): Buffer {
  let text: Buffer;
  const name = "file" in source ? source.file : "inline";
  try {
    text = "file" in source ? readFileSync(source.file) : Buffer.from(source.pem);
  } catch (error) {
    throw invalidOption(field, name, `can't be read: ${errorMessage(error)}`, error);
  }
  if (!new RegExp(`-----BEGIN ([A-Z]+ )*${label}-----`).test(text.toString("latin1")))
    throw invalidOption(field, name, `holds no ${label} in PEM form`);
  return text;
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openEtcdDatastore } from "../../../../src/datastore/etcd/open.ts";
import { parseEndpoints } from "../../../../src/datastore/etcd/options.ts";
import { type EtcdTlsOptions, readTls } from "../../../../src/datastore/etcd/tls.ts";

const folder = mkdtempSync(join(tmpdir(), "calibird-etcd-options-"));
afterAll(() => rmSync(folder, { recursive: true }));

const certificate = { pem: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" };
const key = { pem: "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n" };
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: "INVALID_CONNECTION", message: expect.stringMatching(message) });

describe("etcd endpoints", () => {
  it("are URLs, each once, with etcd's port unless they name another", () => {
    const given = ["http://10.0.0.1:2379/", " http://etcd ", "http://[2001:db8::1]:80", "http://10.0.0.1:2379"];
    const expected = ["http://10.0.0.1:2379", "http://etcd:2379", "http://[2001:db8::1]:80"];
    expect(parseEndpoints(given)).toEqual(expected);
    expect(parseEndpoints(["https://etcd:443"])).toEqual(["https://etcd:443"]);
  });

  it.each(["10.0.0.1:2379", "etcd", "", "ftp://etcd", "http://etcd/v3", "http://me:secret@etcd"])(
    "are refused with their text if they are anything else: %s",
    (endpoint) => {
      expect(() => parseEndpoints(["http://etcd", endpoint])).toThrow(invalid(/is no etcd endpoint; write http:/));
    },
  );

  it("must be some, and all with or all without TLS", async () => {
    expect(() => parseEndpoints(["http://a", "https://b"])).toThrow(invalid(/mixes http and https/));
    await expect(openEtcdDatastore({ endpoints: [] })).rejects.toThrow(invalid(/endpoints is empty/));
  });
});

describe("etcd certificates", () => {
  const secure = ["https://etcd:2379"];

  it("are read from files or from the text, and the system's authorities serve if none is given", () => {
    const file = join(folder, "ca.crt");
    writeFileSync(file, certificate.pem);
    const pem = Buffer.from(certificate.pem);
    expect(readTls(secure, { ca: { file } })).toEqual({ rootCertificate: pem });
    const inline = { rootCertificate: pem, certChain: pem, privateKey: Buffer.from(key.pem) };
    expect(readTls(secure, { ca: certificate, certificate, key })).toEqual(inline);
    expect(readTls(secure, undefined)?.rootCertificate.toString()).toContain("BEGIN CERTIFICATE");
    expect(readTls(["http://etcd:2379"], {})).toBeUndefined();
  });

  it.each<[string, EtcdTlsOptions, RegExp]>([
    ["a file that is not there", { ca: { file: "/nowhere/ca.crt" } }, /ca "\/nowhere\/ca.crt" can't be read: ENOENT/],
    ["text that is no certificate", { ca: { pem: "hello" } }, /ca "inline" holds no CERTIFICATE in PEM form/],
    ["a key in place of a certificate", { certificate: key, key }, /certificate "inline" holds no CERTIFICATE/],
    ["a certificate without its key", { certificate }, /key is missing/],
    ["a key without its certificate", { key }, /certificate is missing/],
    ["files and text mixed", { ca: { file: "/ca.crt" }, certificate, key }, /mixes files and inline text/],
  ])("are refused when they are %s", (_what, tls, message) => {
    expect(() => readTls(secure, tls)).toThrow(invalid(message));
  });

  it("are refused for endpoints that would not use them", () => {
    expect(() => readTls(["http://etcd:2379"], { ca: certificate })).toThrow(invalid(/write https/));
  });
});

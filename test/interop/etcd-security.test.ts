import { copyFileSync, readFileSync } from "node:fs";
import { Etcd3, Range } from "etcd3";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { datastoreConnection } from "../../src/agent/config/datastore-settings.ts";
import { resolveConfig } from "../../src/agent/config/resolve.ts";
import { readCalicoConnection } from "../../src/calictl/datastore-config.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { Secret } from "../../src/core/secret.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { openEtcdDatastore } from "../../src/datastore/etcd/open.ts";
import type { EtcdOptions } from "../../src/datastore/etcd/options.ts";
import { type PemSource, TlsReader } from "../../src/datastore/etcd/tls.ts";
import { openDatastore } from "../../src/datastore/open.ts";
import { put, record, write } from "../conformance/datastore-helpers.ts";
import { Authority, type CertificateFiles } from "./support/certificates.ts";
import { EtcdServer } from "./support/etcd-server.ts";
import { patient } from "./support/patience.ts";

let clients: Datastore[];
beforeEach(() => {
  clients = [];
});
afterEach(async () => {
  for (const client of clients) await client.close();
});

async function connect(server: EtcdServer, options: Omit<EtcdOptions, "endpoints"> = {}): Promise<Datastore> {
  const client = await openEtcdDatastore({ endpoints: [server.url], ...options });
  clients.push(client);
  return client;
}

function speakTls(own: CertificateFiles, clientAuthority?: Authority): Promise<EtcdServer> {
  const trusted =
    clientAuthority === undefined ? [] : ["--client-cert-auth", "--trusted-ca-file", clientAuthority.certificate];
  return EtcdServer.start(["--cert-file", own.certificate, "--key-file", own.key, ...trusted]);
}

describe("TLS", () => {
  let authority: Authority;
  let stranger: Authority;
  let own: CertificateFiles;
  beforeAll(() => {
    authority = new Authority("our authority");
    stranger = new Authority("somebody else");
    own = authority.sign("etcd");
  });
  afterAll(() => {
    authority.dispose();
    stranger.dispose();
  });

  describe("with client certificates", () => {
    let server: EtcdServer;
    let mine: CertificateFiles;
    beforeAll(async () => {
      mine = authority.sign("agent");
      server = await speakTls(own, authority);
    });
    afterAll(() => server.dispose());

    it("lets those in who have one, from files or inline, for calls and watches", async () => {
      const tlsFrom = (source: (file: string) => PemSource) => ({
        ca: source(authority.certificate),
        certificate: source(mine.certificate),
        key: source(mine.key),
      });
      const reader = await connect(server, { tls: tlsFrom((file) => ({ file })) });
      const writer = await connect(server, { tls: tlsFrom((file) => ({ pem: readFileSync(file, "utf8") })) });
      const { revision } = await reader.get("/c/a");
      const seen = record(reader, "/c/", revision + 1n);
      await write(writer, put("/c/a", "1"));
      await seen.untilCount(1);
    });

    it("is opened with the environment of a Calico node, certificates as files or as text", async () => {
      const text = (file: string) => readFileSync(file, "utf8");
      const files = {
        ETCD_CA_CERT_FILE: authority.certificate,
        ETCD_CERT_FILE: mine.certificate,
        ETCD_KEY_FILE: mine.key,
      };
      const texts = {
        ETCD_CA_CERT: text(authority.certificate),
        ETCD_CERT: text(mine.certificate),
        ETCD_KEY: text(mine.key),
      };
      for (const certificates of [files, texts]) {
        const environment = { DATASTORE_TYPE: "etcdv3", ETCD_ENDPOINTS: server.url, ...certificates };
        const connection = datastoreConnection(await resolveConfig({ flags: {}, environment }));
        expect(await readCalicoConnection({ environment })).toEqual(connection);
        const store = await openDatastore(connection);
        clients.push(store);
        expect(await store.get("/c/none")).not.toHaveProperty("item");
      }
    });

    it("keeps those out who have none, or one of another authority, and says so", async () => {
      const ca = { file: authority.certificate };
      const foreign = stranger.sign("agent");
      const [certificate, key] = [{ file: foreign.certificate }, { file: foreign.key }];
      for (const tls of [{ ca }, { ca, certificate, key }]) {
        const store = await connect(server, { tls });
        await expect(store.get("/c/a")).rejects.toMatchObject({
          code: "DATASTORE_TLS_FAILED",
          message: expect.stringContaining(`etcd does not answer: ${server.url}: `),
        });
        expect(store.reachable).toBe(false);
      }
    });
  });

  it("goes on with certificates that were exchanged while it runs, once the old ones are refused", async () => {
    const before = new Authority("the old authority");
    const files = before.sign("rotating");
    const ca = before.certificate;
    const server = await speakTls(files, before);
    try {
      const tls = { ca: { file: ca }, certificate: { file: files.certificate }, key: { file: files.key } };
      const store = await connect(server, { tls });
      const { revision } = await write(store, put("/c/a", "before"));
      const seen = record(store, "/c/", revision + 1n);
      const after = authority.sign("rotated");
      // Half of an exchange: the key is not the certificate's.
      copyFileSync(after.certificate, files.certificate);
      await write(store, put("/c/a", "meanwhile"));
      copyFileSync(after.key, files.key);
      copyFileSync(authority.certificate, ca);
      await server.kill();
      await server.start();
      await vi.waitFor(() => write(store, put("/c/a", "after")), patient);
      await seen.until(() => expect(seen.events.at(-1)).toMatchObject({ item: { value: "after" } }));
    } finally {
      await server.dispose();
      before.dispose();
    }
  });

  it("takes new certificates only when all files belong together, and says once what is wrong with them", () => {
    const files = authority.sign("first");
    const other = authority.sign("second");
    const warnings: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => warnings.push(fields) };
    const tls = {
      ca: { file: authority.certificate },
      certificate: { file: files.certificate },
      key: { file: files.key },
    };
    const reader = new TlsReader(["https://127.0.0.1:2379"], tls, logger);
    const used = reader.read();
    expect(reader.changedSince(used)).toBeUndefined();
    copyFileSync(other.certificate, files.certificate);
    for (let times = 0; times < 3; times++) expect(reader.changedSince(used)).toBeUndefined();
    expect(warnings).toHaveLength(1);
    copyFileSync(other.key, files.key);
    expect(reader.changedSince(used)?.privateKey).toEqual(readFileSync(other.key));
  });

  it("refuses a store of an authority it was not told of, and names endpoint and cause", async () => {
    const server = await speakTls(own);
    try {
      const ca = { file: stranger.certificate };
      await expect((await connect(server, { tls: { ca } })).get("/c/a")).rejects.toMatchObject({
        code: "DATASTORE_TLS_FAILED",
        message: expect.stringMatching(
          `^etcd does not answer: ${server.url}: .*unable to verify the first certificate`,
        ),
      });
      await expect((await connect(server)).get("/c/a")).rejects.toMatchObject({ code: "DATASTORE_TLS_FAILED" });
    } finally {
      await server.dispose();
    }
  });

  it("refuses a store whose certificate has expired, and says that", async () => {
    const server = await speakTls(authority.sign("old", "expired"));
    try {
      const ca = { file: authority.certificate };
      await expect((await connect(server, { tls: { ca } })).get("/c/a")).rejects.toMatchObject({
        code: "DATASTORE_TLS_FAILED",
        message: expect.stringMatching(`${server.url}: .*certificate has expired`),
      });
    } finally {
      await server.dispose();
    }
  });
});

describe("authentication", () => {
  let server: EtcdServer;
  const credentials = { username: "calibird", password: new Secret("it's a secret") };
  beforeAll(async () => {
    server = await EtcdServer.start(["--auth-token-ttl", "1"]);
    const admin = new Etcd3({ hosts: server.url });
    await admin.role("root").create();
    await (await admin.user("root").create("the secret of root")).addRole("root");
    const role = await admin.role("calico").create();
    await role.grant({ permission: "Readwrite", range: Range.prefix("/c/") });
    await (await admin.user(credentials.username).create(credentials.password.reveal())).addRole("calico");
    await admin.auth.authEnable();
    admin.close();
  });
  afterAll(() => server.dispose());

  it("lets a user in where its role may go, and not elsewhere", async () => {
    const store = await connect(server, { credentials });
    await write(store, put("/c/a", "1"));
    expect((await store.list("/c/")).items).toHaveLength(1);
    await expect(write(store, put("/d/a", "1"))).rejects.toMatchObject({
      code: "DATASTORE_FORBIDDEN",
      message: expect.stringContaining(server.url),
    });
    expect(store.reachable).toBe(true);
  });

  it("refuses a wrong password and a client without one, without repeating the password", async () => {
    const wrong = { username: credentials.username, password: new Secret("guessed") };
    const refusal = await (await connect(server, { credentials: wrong })).get("/c/a").catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: "DATASTORE_UNAUTHENTICATED",
      message: expect.stringMatching(`${server.url}: authentication failed`),
    });
    expect(String(refusal)).not.toContain("guessed");
    await expect((await connect(server)).get("/c/a")).rejects.toMatchObject({ code: "DATASTORE_UNAUTHENTICATED" });
  });

  it("outlives its token and a restart of the store, in calls and in watches", async () => {
    const store = await connect(server, { credentials });
    const { revision } = await write(store, put("/c/a", "before"));
    const seen = record(store, "/c/", revision + 1n);
    for (const value of ["1", "2"]) {
      await server.kill();
      await server.start();
      await vi.waitFor(() => write(store, put("/c/a", value)), patient);
      await seen.until(() => expect(seen.events.at(-1)).toMatchObject({ item: { value } }));
    }
    const values = seen.events.map((event) => (event.type === "put" ? event.item.value : "deleted"));
    expect(values).toEqual(["1", "2"]);
  });
});

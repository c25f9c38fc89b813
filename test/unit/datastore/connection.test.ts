import { describe, expect, it } from "vitest";
import { connectionOf } from "../../../src/datastore/connection.ts";

const embeddedPath = "/var/lib/store";

describe("connectionOf", () => {
  it("is nothing if nothing is said, and takes an empty text as not said", () => {
    expect(connectionOf({}, embeddedPath)).toBeUndefined();
    expect(connectionOf({ datastoreType: "", etcdEndpoints: "", etcdUsername: "" }, embeddedPath)).toBeUndefined();
  });

  it("is etcd as soon as its members are named", () => {
    expect(connectionOf({ etcdEndpoints: " http://10.0.0.1:2379/, http://[fd00::1] ," }, embeddedPath)).toEqual({
      kind: "etcd",
      members: { endpoints: ["http://10.0.0.1:2379", "http://[fd00::1]:2379"] },
    });
    expect(connectionOf({ etcdDiscoverySrv: "example.com" }, embeddedPath)).toEqual({
      kind: "etcd",
      members: { discoverySrv: "example.com" },
    });
  });

  it("is the embedded store where that is asked for, whatever else is set", () => {
    const texts = { datastoreType: "embedded", etcdEndpoints: "http://10.0.0.1:2379" };
    expect(connectionOf(texts, embeddedPath)).toEqual({ kind: "embedded", path: embeddedPath });
  });

  it.each(["etcd", "etcdv3"])("knows the type %s", (datastoreType) => {
    const connection = connectionOf({ datastoreType, etcdEndpoints: "https://e:1" }, embeddedPath);
    expect(connection).toMatchObject({ kind: "etcd" });
  });

  it("carries certificates as files or as text, and the password hidden", () => {
    const texts = {
      etcdEndpoints: "https://e",
      etcdCACertFile: "/ca.pem",
      etcdCert: "CERT",
      etcdKey: "KEY",
      etcdUsername: "u",
      etcdPassword: "hush",
    };
    const connection = connectionOf(texts, embeddedPath);
    expect(connection).toMatchObject({
      tls: { ca: { file: "/ca.pem" }, certificate: { pem: "CERT" }, key: { pem: "KEY" } },
      credentials: { username: "u" },
    });
    expect(JSON.stringify(connection)).not.toContain("hush");
  });

  it.each([
    [{ datastoreType: "redis" }, 'datastoreType "redis" must be etcd or embedded'],
    [{ datastoreType: "kubernetes" }, "is not built into this version"],
    [{ datastoreType: "etcdv3" }, "etcdEndpoints is missing; name the members"],
    [{ etcdEndpoints: "10.0.0.1" }, 'etcd endpoints "10.0.0.1" is no etcd endpoint'],
    [{ etcdEndpoints: "http://a", etcdDiscoverySrv: "b" }, 'etcdDiscoverySrv "b" is given together with etcdEndpoints'],
    [{ etcdDiscoverySrv: "a b" }, 'etcdDiscoverySrv "a b" is no domain name'],
    [{ etcdEndpoints: "http://a", etcdUsername: "u" }, "etcdPassword is missing; user u needs one"],
    [{ etcdEndpoints: "http://a", etcdPassword: "p" }, "etcdUsername is missing"],
    [
      { etcdEndpoints: "https://a", etcdKeyFile: "/k", etcdKey: "K" },
      'etcdKeyFile "/k" is given together with etcdKey',
    ],
  ])("refuses %j and says what would be right", (texts, message) => {
    expect(() => connectionOf(texts, embeddedPath)).toThrow(message);
    expect(() => connectionOf(texts, embeddedPath)).toThrow(expect.objectContaining({ code: "INVALID_CONNECTION" }));
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readCalicoConnection } from "../../../src/calictl/datastore-config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-calicoctl-cfg-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function configFile(text: string): string {
  const path = join(folder, "calicoctl.cfg");
  writeFileSync(path, text);
  return path;
}

const head = "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata: {}\n";

describe("readCalicoConnection", () => {
  it("takes a file for the only source", async () => {
    const spec =
      'spec:\n  datastoreType: etcdv3\n  etcdEndpoints: "https://a:1,https://b:2"\n  etcdCACertFile: /ca.pem\n';
    const environment = { ETCD_ENDPOINTS: "http://elsewhere", ETCD_USERNAME: "u", ETCD_PASSWORD: "p" };
    expect(await readCalicoConnection({ environment, configFile: configFile(head + spec) })).toEqual({
      kind: "etcd",
      members: { endpoints: ["https://a:1", "https://b:2"] },
      tls: { ca: { file: "/ca.pem" } },
    });
  });

  it("takes the environment otherwise, and of two names the one that begins with CALICO_", async () => {
    const environment = { ETCD_ENDPOINTS: "http://a", CALICO_ETCD_ENDPOINTS: "http://b", DATASTORE_TYPE: "etcdv3" };
    expect(await readCalicoConnection({ environment })).toEqual({
      kind: "etcd",
      members: { endpoints: ["http://b:2379"] },
    });
    expect(await readCalicoConnection({ environment: {} })).toBeUndefined();
  });

  it("finds the embedded store by calibird's own names", async () => {
    const environment = {
      CALIBIRD_DATASTORE: "embedded",
      CALIBIRD_EMBEDDED_PATH: "/store",
      ETCD_ENDPOINTS: "http://a",
    };
    expect(await readCalicoConnection({ environment })).toEqual({ kind: "embedded", path: "/store" });
  });

  it("lets fields for Kubernetes be", async () => {
    const spec =
      "spec:\n  etcdEndpoints: http://a\n  kubeconfig: /root/.kube/config\n  k8sInsecureSkipTLSVerify: true\n";
    const connection = await readCalicoConnection({ environment: {}, configFile: configFile(head + spec) });
    expect(connection).toMatchObject({ kind: "etcd" });
  });

  it.each([
    ["kind: Node\n", "must hold an object of the kind CalicoAPIConfig"],
    ["kind: [\n", "is not YAML"],
    ["apiVersion: v1\nkind: CalicoAPIConfig\n", 'has the apiVersion "v1"; it must be projectcalico.org/v3'],
    [head, "names no datastore"],
    [`${head}spec:\n  etcdEndpoint: http://a\n`, 'no field "etcdEndpoint"; did you mean "etcdEndpoints"?'],
    [`${head}spec:\n  etcdEndpoints: [http://a]\n`, "spec.etcdEndpoints that is no text"],
    [`${head}spec:\n  etcdEndpoints: a\n`, 'etcd endpoints "a" is no etcd endpoint'],
    [`${head}spec: 1\n`, "spec that is no list of fields"],
    ["[".repeat(20_000), "nested more than"],
  ])("refuses %j", async (text, message) => {
    await expect(readCalicoConnection({ environment: {}, configFile: configFile(text) })).rejects.toThrow(message);
  });

  it("fails if the file that was named is not there", async () => {
    const configFile = join(folder, "none.cfg");
    await expect(readCalicoConnection({ environment: {}, configFile })).rejects.toThrow(configFile);
  });
});

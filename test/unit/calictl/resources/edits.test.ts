import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
beforeEach(async () => {
  calictl = await calictlWithStore();
  await calictl.runWith({ stdin: poolManifest("pods", "10.1.0.0/16", "  natOutgoing: true\n") }, "create", "-f", "-");
});
afterEach(() => calictl.dispose());

const pool = () => calictl.client.get("IPPool", "pods");

describe("calictl patch", () => {
  it.each([
    [["-p", '{"spec":{"natOutgoing":false,"ipipMode":"Always"}}']],
    [["--patch", "spec: {natOutgoing: null, ipipMode: Always}", "--type", "merge"]],
    [
      [
        "-t",
        "json",
        "-p",
        '[{"op":"remove","path":"/spec/natOutgoing"},{"op":"replace","path":"/spec/ipipMode","value":"Always"}]',
      ],
    ],
  ])("with %j changes the fields that it names, and no others", async (argv) => {
    expect(await calictl.run("patch", "ippool", "pods", ...argv)).toEqual({
      code: 0,
      out: "Successfully patched 1 'IPPool' resource\n",
      err: "",
    });
    const { spec } = await pool();
    expect(spec.natOutgoing).toBeUndefined();
    expect(spec).toMatchObject({ ipipMode: "Always", cidr: "10.1.0.0/16", blockSize: 26 });
  });

  it.each([
    [
      '{"spec":{"natOutgoin":true}}',
      `IPPool.spec.natOutgoin = 'true' (is not a field here; did you mean "natOutgoing"?)`,
    ],
    ['{"spec":{"blockSize":24}}', "can't be changed from 26"],
    ['{"spec":{"ipipMode":"Alway"}}', 'did you mean "Always"?'],
    ['{"metadata":{"name":"other"}}', "IPPool.metadata.name = 'other' (cannot be changed)"],
    ['{"metadata":{"resourceVersion":"1"}}', "update conflict: IPPool(pods)"],
  ])("refuses %s, and changes nothing", async (patch, message) => {
    const before = await pool();
    const { code, out, err } = await calictl.run("patch", "ippool", "pods", "-p", patch);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("failed to patch 'IPPool' resource: [");
    expect(err).toContain(message);
    expect(await pool()).toEqual(before);
  });

  it("keeps fields that newer software has stored", async () => {
    const key = "/calico/resources/v3/projectcalico.org/ippools/pods";
    const { item } = await calictl.store.get(key);
    const value = item?.value.replace('"spec":{', '"spec":{"newField":{"x":1},') ?? "";
    await calictl.store.transact({ compares: [], success: [{ type: "put", key, value }] });
    expect((await calictl.run("patch", "ippool", "pods", "-p", '{"spec":{"disabled":true}}')).err).toBe("");
    expect(await pool()).toMatchObject({ spec: { newField: { x: 1 }, disabled: true } });
  });

  it("of the IPAM configuration writes what the IPAM engine reads", async () => {
    const manifest =
      "apiVersion: projectcalico.org/v3\nkind: IPAMConfiguration\nmetadata: {name: default}\nspec: {strictAffinity: true, autoAllocateBlocks: true}\n";
    expect((await calictl.runWith({ stdin: manifest }, "create", "-f", "-")).err).toBe("");
    expect((await calictl.run("patch", "ipamconfig", "default", "-p", "spec: {maxBlocksPerHost: 7}")).err).toBe("");
    const { item } = await calictl.store.get("/calico/ipam/v2/config");
    expect(JSON.parse(item?.value ?? "")).toMatchObject({ maxBlocksPerHost: 7 });
  });

  it.each([
    [["patch", "ippool", "pods"], "required option '-p, --patch <patch>'"],
    [["patch", "ippool", "pods", "-p", "{"], "-p is neither JSON nor YAML"],
    [["patch", "ippool", "pods", "-p", "{}", "-t", "jsn"], "Allowed choices are strategic, merge, json"],
    [["label", "ippool", "pods", "x"], '"x" must be KEY=VALUE'],
    [["label", "ippool", "pods", "x=y", "--remove"], "--remove takes the key"],
    [["label", "ippool", "pods", "-x=y"], "unknown option"],
    [["label", "ippool", "pods", "x=a b"], 'the label "x=a b" must'],
  ])("answers %j with status 2 and what would be right", async (argv, message) => {
    const { code, err } = await calictl.run(...argv);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });
});

describe("calictl label", () => {
  it("sets, updates and removes a label, in calicoctl's words", async () => {
    const out = async (...argv: string[]) => (await calictl.run("label", "ippools", "pods", ...argv)).out;
    expect(await out("rack=r1")).toBe("Successfully set label rack on ippools pods\n");
    expect((await pool()).metadata.labels).toEqual({ rack: "r1" });
    expect(await out("rack=r2", "--overwrite")).toBe("Successfully updated label rack on ippools pods\n");
    expect((await pool()).metadata.labels).toEqual({ rack: "r2" });
    expect(await out("rack", "--remove")).toBe("Successfully removed label rack from ippools pods\n");
    expect((await pool()).metadata.labels).toBeUndefined();
  });

  it("overwrites only when it is told to, and removes only what is there", async () => {
    await calictl.run("label", "ippool", "pods", "rack=r1");
    const again = await calictl.run("label", "ippool", "pods", "rack=r2");
    expect(again).toMatchObject({ code: 1, out: "" });
    expect(again.err).toContain("ippool pods has the label rack=r1 already; --overwrite replaces it");
    const missing = await calictl.run("label", "ippool", "pods", "row", "--remove");
    expect(missing).toMatchObject({ code: 1, out: "" });
    expect(missing.err).toContain("ippool pods has no label row");
    expect((await pool()).metadata.labels).toEqual({ rack: "r1" });
  });
});

describe("calictl validate", () => {
  it("checks manifests without asking anybody", async () => {
    const stdin = poolManifest("other", "10.2.0.0/16");
    expect(await calictl.runWith({ stdin }, "--run-dir", "/nowhere", "validate", "-f", "-")).toEqual({
      code: 0,
      out: "Successfully validated 1 'IPPool' resource(s)\n",
      err: "",
    });
    const wrong = await calictl.runWith({ stdin: `${stdin}  natOutgoin: true\n` }, "validate", "-f", "-");
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain("standard input: document 1, line 7: error with field IPPool.spec.natOutgoin");
  });
});

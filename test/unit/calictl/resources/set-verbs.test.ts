import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
beforeEach(async () => {
  calictl = await calictlWithStore();
});
afterEach(() => calictl.dispose());

const names = async () => (await calictl.client.list("IPPool")).resources.map(({ metadata }) => metadata.name);
const three = [
  poolManifest("a", "10.1.0.0/16"),
  poolManifest("b", "10.2.0.0/16"),
  poolManifest("c", "10.3.0.0/16"),
].join("---\n");
const filter =
  "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata: {name: f}\nspec: {exportV4: [{action: Accept}]}\n";

describe("calictl create", () => {
  it("creates what documents, lists, List kinds, files, folders and standard input hold", async () => {
    const list = `{"apiVersion":"projectcalico.org/v3","kind":"IPPoolList","items":[${JSON.stringify({
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name: "d" },
      spec: { cidr: "10.4.0.0/16" },
    })}]}`;
    mkdirSync(join(calictl.folder, "m", "deeper"), { recursive: true });
    writeFileSync(join(calictl.folder, "m", "pools.yml"), three);
    writeFileSync(join(calictl.folder, "m", "notes.txt"), "no manifest");
    writeFileSync(join(calictl.folder, "m", "deeper", "e.json"), list);
    const folder = join(calictl.folder, "m");
    const stdin = poolManifest("e", "10.5.0.0/16");
    expect(await calictl.runWith({ stdin }, "create", "-f", folder, "-f", "-")).toEqual({
      code: 0,
      out: "Successfully created 4 'IPPool' resource(s)\n",
      err: "",
    });
    expect(await names()).toEqual(["a", "b", "c", "e"]);
    await calictl.run("delete", "ippool", "a", "b", "c", "e");
    expect((await calictl.run("create", `--filename=${folder}`, "-R")).code).toBe(0);
    expect(await names()).toEqual(["a", "b", "c", "d"]);
  });

  it("leaves the kind out of the message if there are several", async () => {
    const both = calictl.file("both.yaml", `${poolManifest("a", "10.1.0.0/16")}---\n${filter}`);
    expect((await calictl.run("create", "-f", both)).out).toBe("Successfully created 2 resource(s)\n");
  });

  it("refuses what exists, in calicoctl's words, with file, document and line, and exit status 1", async () => {
    const file = calictl.file("a.yaml", poolManifest("a", "10.1.0.0/16"));
    await calictl.run("create", "-f", file);
    expect(await calictl.run("create", "-f", file)).toEqual({
      code: 1,
      out: "",
      err: `failed to create 'IPPool' resource: [resource already exists: IPPool(a) with error: <nil> (${file}: document 1, line 1)]\n`,
    });
  });

  it("goes on after one that is refused, and says how much was done", async () => {
    await calictl.run("create", "-f", calictl.file("c.yaml", poolManifest("c", "10.3.0.0/16")));
    const { code, err } = await calictl.run("create", "-f", calictl.file("three.yaml", three));
    expect(code).toBe(1);
    expect(err).toMatch(
      /^Partial success: created the first 2 out of 3 'IPPool' resources:\nhit error: \[resource already exists: IPPool\(c\)/,
    );
    expect(await names()).toEqual(["a", "b", "c"]);
  });

  it("passes over what exists with --skip-exists", async () => {
    await calictl.run("create", "-f", calictl.file("c.yaml", poolManifest("c", "10.3.0.0/16")));
    expect(await calictl.run("create", "--skip-exists", "-f", calictl.file("three.yaml", three))).toEqual({
      code: 0,
      out: "Successfully created 2 'IPPool' resource(s)\n1 existed already\n",
      err: "",
    });
  });

  it("names the pool that a new one overlaps", async () => {
    await calictl.run("create", "-f", calictl.file("a.yaml", poolManifest("a", "10.1.0.0/16")));
    const { code, err } = await calictl.run("create", "-f", calictl.file("x.yaml", poolManifest("x", "10.1.2.0/24")));
    expect(code).toBe(1);
    expect(err).toContain("error with field IPPool.spec.cidr = '10.1.2.0/24' (overlaps 10.1.0.0/16 of IPPool(a))");
  });

  it("says No resources specified, with exit status 0, for files without any and --skip-empty", async () => {
    const empty = calictl.file("empty.yaml", "# nothing\n");
    expect(await calictl.run("create", "--skip-empty", "-f", empty)).toEqual({
      code: 0,
      out: "No resources specified\n",
      err: "",
    });
    const refused = await calictl.run("create", "-f", empty);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("empty.yaml: document 1, line 1: there is no resource in it");
  });
});

describe("calictl replace", () => {
  it("resets what the file leaves out, keeps uid and creation time, and refuses what does not exist", async () => {
    await calictl.run(
      "create",
      "-f",
      calictl.file("a.yaml", poolManifest("a", "10.1.0.0/16", "  natOutgoing: true\n")),
    );
    const before = await calictl.client.get("IPPool", "a");
    const file = calictl.file("a2.yaml", poolManifest("a", "10.1.0.0/16"));
    expect((await calictl.run("replace", "-f", file)).out).toBe("Successfully replaced 1 'IPPool' resource(s)\n");
    const after = await calictl.client.get("IPPool", "a");
    expect(after.spec.natOutgoing).toBeUndefined();
    expect([after.metadata.uid, after.metadata.creationTimestamp]).toEqual([
      before.metadata.uid,
      before.metadata.creationTimestamp,
    ]);
    const missing = await calictl.run("replace", "-f", calictl.file("b.yaml", poolManifest("b", "10.2.0.0/16")));
    expect(missing).toMatchObject({ code: 1, out: "" });
    expect(missing.err).toContain(
      "failed to replace 'IPPool' resource: [resource does not exist: IPPool(b) with error: <nil>",
    );
    expect(await names()).toEqual(["a"]);
  });

  it("tells of a resourceVersion that is out of date, and what to do", async () => {
    await calictl.run("create", "-f", calictl.file("a.yaml", poolManifest("a", "10.1.0.0/16")));
    const stale = calictl.file(
      "stale.yaml",
      poolManifest("a", "10.1.0.0/16").replace("name: a", 'name: a\n  resourceVersion: "1"'),
    );
    for (const verb of ["replace", "apply"]) {
      const { code, err } = await calictl.run(verb, "-f", stale);
      expect(code).toBe(1);
      expect(err).toMatch(
        /update conflict: IPPool\(a\).*Get it again and redo the change, or leave resourceVersion out/,
      );
    }
  });
});

describe("calictl apply", () => {
  it("creates, replaces, and counts both", async () => {
    await calictl.run("apply", "-f", calictl.file("a.yaml", poolManifest("a", "10.1.0.0/16")));
    const { out } = await calictl.run("apply", "-f", calictl.file("three.yaml", three));
    expect(out).toBe("Successfully applied 3 'IPPool' resource(s)\n");
    expect(await names()).toEqual(["a", "b", "c"]);
  });

  it("changes nothing if one of several manifests is wrong, and names file, document, line, field and value", async () => {
    const bad = calictl.file("bad.yaml", `${three}---\n${poolManifest("d", "10.4.0.0/16", "  blockSize: 19\n")}`);
    const { code, err } = await calictl.run("apply", "-f", bad);
    expect(code).toBe(1);
    expect(err).toContain("nothing was changed");
    expect(err).toMatch(/bad\.yaml: document 4, line 28: .*blockSize.*19.*from 20 to 32/);
    expect(await names()).toEqual([]);
  });
});

describe("calictl delete", () => {
  it("deletes by kind and names, and by manifest", async () => {
    const file = calictl.file("three.yaml", three);
    await calictl.run("create", "-f", file);
    expect(await calictl.run("delete", "pools", "b")).toEqual({
      code: 0,
      out: "Successfully deleted 1 'IPPool' resource(s)\n",
      err: "",
    });
    expect(await calictl.run("delete", "--skip-not-exists", "-f", file)).toEqual({
      code: 0,
      out: "Successfully deleted 2 'IPPool' resource(s)\n1 did not exist\n",
      err: "",
    });
  });

  it("deletes what nobody can read", async () => {
    const key = "/calico/resources/v3/projectcalico.org/ippools/broken";
    await calictl.store.transact({ compares: [], success: [{ type: "put", key, value: "{" }] });
    expect(await calictl.run("delete", "ippool", "broken")).toMatchObject({ code: 0, err: "" });
    expect((await calictl.store.get(key)).item).toBeUndefined();
  });

  it("refuses what does not exist, in calicoctl's words", async () => {
    expect(await calictl.run("delete", "ippool", "x")).toEqual({
      code: 1,
      out: "",
      err: "Failed to delete 'IPPool' resource: [resource does not exist: IPPool(x) with error: <nil>]\n",
    });
  });
});

describe("kinds that only software writes", () => {
  it("are refused by every verb", async () => {
    const manifest =
      "apiVersion: projectcalico.org/v3\nkind: ClusterInformation\nmetadata: {name: default}\nspec: {datastoreReady: true}\n";
    for (const verb of ["create", "apply", "replace", "delete"]) {
      const { code, err } = await calictl.runWith({ stdin: manifest }, verb, "-f", "-");
      expect(code).toBe(1);
      expect(err).toContain(`operation ${verb} is not supported on ClusterInformation: `);
    }
  });
});

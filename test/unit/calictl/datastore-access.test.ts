import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../support/calictl.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let calictl: CalictlFixture;
let other: Awaited<ReturnType<typeof temporaryStore>>;
beforeEach(async () => {
  calictl = await calictlWithStore();
  other = await temporaryStore();
  await calictl.runWith({ stdin: poolManifest("of-the-agent", "10.1.0.0/16") }, "create", "-f", "-");
});
afterEach(async () => {
  await calictl.dispose();
  await other.dispose();
});

describe("the datastore that calictl works on", () => {
  it("is the agent's if nothing names another", async () => {
    expect((await calictl.run("get", "ippool", "-o", "name")).out).toBe("ippools/of-the-agent\n");
  });

  it("is the one that the environment names", async () => {
    const environment = { DATASTORE_TYPE: "embedded", CALIBIRD_EMBEDDED_PATH: other.path };
    const stdin = poolManifest("elsewhere", "10.2.0.0/16");
    expect((await calictl.runWith({ stdin, environment }, "create", "-f", "-")).err).toBe("");
    expect((await calictl.runWith({ environment }, "get", "ippool", "-o", "name")).out).toBe("ippools/elsewhere\n");
  });

  it("is the one that the file of -c names, whatever the environment says", async () => {
    const config = calictl.file(
      "calicoctl.cfg",
      "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec: {datastoreType: etcdv3, etcdEndpoints: 'ftp://x'}\n",
    );
    const environment = { DATASTORE_TYPE: "embedded", CALIBIRD_EMBEDDED_PATH: other.path };
    const { code, err } = await calictl.runWith({ environment }, "get", "ippool", "-c", config);
    expect(code).toBe(1);
    expect(err).toContain('"ftp://x" is no etcd endpoint');
    expect((await calictl.run("get", "ippool", `--config=${config}.missing`)).code).toBe(1);
  });
});

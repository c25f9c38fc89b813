import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { version } from "../../../src/core/version.ts";
import { type CalictlFixture, calictlWithStore } from "../../support/calictl.ts";

let calictl: CalictlFixture;
beforeEach(async () => {
  calictl = await calictlWithStore();
});
afterEach(() => calictl.dispose());

describe("calictl version", () => {
  it("prints the versions of the client and of the cluster, and why it does not know the agent's", async () => {
    await calictl.client.create({
      kind: "ClusterInformation",
      apiVersion: "projectcalico.org/v3",
      metadata: { name: "default" },
      spec: { clusterType: "k8s,bgp", calicoVersion: "v3.32.0", datastoreReady: true },
    });
    const { code, out } = await calictl.run("version");
    expect(code).toBe(0);
    expect(out.split("\n")).toEqual([
      `Client Version:    ${version}`,
      expect.stringMatching(/^Agent Version: {5}unknown \(no agent answers on .*status\.sock/),
      "Cluster Version:   v3.32.0",
      "Cluster Type:      k8s,bgp",
      "",
    ]);
  });

  it("prints with --client only its own", async () => {
    const line = `Client Version:    ${version}\n`;
    expect(await calictl.run("version", "--client")).toEqual({ code: 0, out: line, err: "" });
  });

  it("refuses a --poll that is no duration", async () => {
    const { code, err } = await calictl.run("version", "--poll", "soon");
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('--poll: "soon" must be a duration') });
  });
});

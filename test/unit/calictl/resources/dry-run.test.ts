import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
beforeEach(async () => {
  calictl = await calictlWithStore();
  await calictl.runWith({ stdin: poolManifest("pods", "10.1.0.0/16", "  natOutgoing: true\n") }, "create", "-f", "-");
});
afterEach(() => calictl.dispose());

const everything = async () => (await calictl.store.list("/")).items;
const changed = `${poolManifest("pods", "10.1.0.0/16", "  ipipMode: Always\n")}---\n${poolManifest("new", "10.2.0.0/16")}`;
const peerWithFilter = `apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: f}
spec: {exportV4: [{action: Accept}]}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: p}
spec: {peerIP: 10.9.9.9, asNumber: 65001, filters: [f]}
`;

describe("calictl diff", () => {
  it("prints what apply would change, field by field, with status 1, and changes nothing", async () => {
    const before = await everything();
    const { code, out, err } = await calictl.runWith({ stdin: changed }, "diff", "-f", "-");
    expect({ code, err }).toEqual({ code: 1, err: "" });
    expect(out.split("\n")).toEqual([
      "IPPool(pods) changed",
      '  ~ spec.ipipMode: "Never" -> "Always"',
      "  - spec.natOutgoing: true",
      "IPPool(new) created",
      '  + spec.cidr: "10.2.0.0/16"',
      '  + spec.vxlanMode: "Never"',
      '  + spec.ipipMode: "Never"',
      "  + spec.blockSize: 26",
      '  + spec.nodeSelector: "all()"',
      '  + spec.allowedUses[0]: "Workload"',
      '  + spec.allowedUses[1]: "Tunnel"',
      '  + spec.assignmentMode: "Automatic"',
      "",
    ]);
    expect(await everything()).toEqual(before);
  });

  it("has colours on a terminal", async () => {
    const { out } = await calictl.runWith({ stdin: changed, colour: true }, "diff", "-f", "-");
    expect(out).toContain("\u001b[33m  ~ spec.ipipMode");
    expect(out).toContain("\u001b[31m  - spec.natOutgoing");
  });

  it("prints nothing, with status 0, if there is no difference", async () => {
    const stdin = poolManifest("pods", "10.1.0.0/16", "  natOutgoing: true\n");
    expect(await calictl.runWith({ stdin }, "diff", "-f", "-")).toEqual({ code: 0, out: "", err: "" });
  });

  it("sees what the manifests before would have made", async () => {
    expect(await calictl.runWith({ stdin: peerWithFilter }, "diff", "-f", "-")).toMatchObject({ code: 1, err: "" });
  });

  it("is JSON for programs", async () => {
    const { out } = await calictl.runWith({ stdin: changed }, "diff", "-f", "-", "-o", "json");
    expect(JSON.parse(out)).toMatchObject([
      { object: "IPPool(pods)", change: "changed", fields: [{ type: "changed", path: "spec.ipipMode" }, {}] },
      { object: "IPPool(new)", change: "created" },
    ]);
  });

  it("fails with status 2, which no difference has", async () => {
    const wrong = poolManifest("pods", "10.7.0.0/16");
    const refused = await calictl.runWith({ stdin: wrong }, "diff", "-f", "-");
    expect(refused.code).toBe(2);
    expect(refused.err).toContain("can't be changed from 10.1.0.0/16");
    expect((await calictl.runWith({ stdin: "kind: IPPool\n" }, "diff", "-f", "-")).code).toBe(2);
  });
});

describe("--dry-run", () => {
  it.each([
    [["create"], peerWithFilter, "created 2 resource(s)", "BGPPeer(p) created"],
    [["apply"], changed, "applied 2 'IPPool' resource(s)", "IPPool(pods) changed"],
    [["replace"], poolManifest("pods", "10.1.0.0/16"), "replaced 1 'IPPool' resource(s)", "  - spec.natOutgoing: true"],
    [["delete"], poolManifest("pods", "10.1.0.0/16"), "deleted 1 'IPPool' resource(s)", "IPPool(pods) deleted"],
  ])("of %j says what would change and changes nothing", async (verb, stdin, summary, line) => {
    const before = await everything();
    const { code, out, err } = await calictl.runWith({ stdin }, ...verb, "--dry-run", "-f", "-");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(`${line}\n`);
    expect(out).toContain(`Dry run: nothing was changed; would have ${summary}\n`);
    expect(await everything()).toEqual(before);
  });

  it("of patch and label does so, too", async () => {
    const before = await everything();
    const patched = await calictl.run("patch", "pool", "pods", "-p", "spec: {disabled: true}", "--dry-run");
    expect(patched.out).toBe(
      "IPPool(pods) changed\n  + spec.disabled: true\nDry run: nothing was changed; would have patched 1 'IPPool' resource\n",
    );
    const labelled = await calictl.run("label", "pool", "pods", "a/b=c", "--dry-run");
    expect(labelled.out).toContain('  + metadata.labels["a/b"]: "c"\n');
    expect(await everything()).toEqual(before);
  });

  it("fails where the real thing would fail", async () => {
    const stdin = poolManifest("pods", "10.1.0.0/16");
    const { code, err } = await calictl.runWith({ stdin }, "create", "--dry-run", "-f", "-");
    expect(code).toBe(1);
    expect(err).toContain("resource already exists: IPPool(pods)");
  });
});

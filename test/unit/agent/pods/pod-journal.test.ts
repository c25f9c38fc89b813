import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { PodJournal } from "../../../../src/agent/pods/pod-journal.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { IpAddress } from "../../../../src/net/address.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "calibird-journal-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const pod = {
  namespace: "shop",
  name: "web",
  containerId: "0123",
  addresses: [IpAddress.parse("10.0.0.1"), IpAddress.parse("fd00::1")],
  hostInterface: "cali0123",
  macAddress: "02:00:00:00:00:01",
  namespacePath: "/run/netns/web",
};
const journal = () => new PodJournal(join(directory, "pods"), silentLogger);

it("a journal has what was written, also in another run, until it is removed", () => {
  journal().write(pod);
  journal().write({ ...pod, name: "other", macAddress: undefined, namespacePath: undefined });
  const found = journal().list();
  expect(found).toContainEqual(pod);
  expect(found).toHaveLength(2);
  journal().remove({ namespace: "shop", name: "web" });
  journal().remove({ namespace: "shop", name: "never" });
  expect(
    journal()
      .list()
      .map(({ name }) => name),
  ).toEqual(["other"]);
});

it("a file that was cut short or is something else keeps nobody from reading the others", () => {
  journal().write(pod);
  writeFileSync(join(directory, "pods", "broken.json"), '{"namespace":"shop"');
  writeFileSync(join(directory, "pods", "other.json"), '{"namespace":"shop","name":1}');
  writeFileSync(join(directory, "pods", "half.json.new"), "{}");
  expect(journal().list()).toEqual([pod]);
});

it("whatever a record calls itself, its file stays in the folder", () => {
  journal().write({ ...pod, namespace: "..", name: "../../evil" });
  expect(readdirSync(directory)).toEqual(["pods"]);
  expect(journal().list()).toHaveLength(1);
});

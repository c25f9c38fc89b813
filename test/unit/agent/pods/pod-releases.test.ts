import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PodReleases } from "../../../../src/agent/pods/pod-releases.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { DatastoreError } from "../../../../src/datastore/errors.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";

let folder: string;
let path: string;
let away: boolean;
let done: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-pod-releases-"));
  path = join(folder, "pending.json");
  away = false;
  done = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function releasesOn(clock = new ManualClock()): PodReleases {
  const act = async (what: string) => {
    if (away) throw new DatastoreError("DATASTORE_UNAVAILABLE", "away");
    done.push(what);
  };
  return new PodReleases({
    ipam: { releaseByHandle: (handle) => act(handle).then(() => []) },
    client: { delete: (_kind, name) => act(name) },
    path,
    clock,
    logger: silentLogger,
  });
}

const web = { namespace: "default", name: "web", handleId: "net.1", endpoint: "n1-k8s-web-eth0" };

describe("PodReleases", () => {
  it("gives back at once what it can, and writes no file", async () => {
    const releases = releasesOn();
    await releases.release(web);
    await releases.release({ ...web, name: "-", endpoint: null });
    expect(done).toEqual(["net.1", "n1-k8s-web-eth0", "net.1"]);
    expect(existsSync(path)).toBe(false);
  });

  it("owes what it can't give back, until it can", async () => {
    const clock = new ManualClock();
    const releases = releasesOn(clock);
    away = true;
    await releases.release(web);
    expect(releases.isOwed(web)).toBe(true);
    clock.advance(6_000);
    expect(done).toEqual([]);
    away = false;
    await vi.waitFor(() => {
      clock.advance(5_000);
      expect(releases.isOwed(web)).toBe(false);
    });
    expect(done).toEqual(["net.1", "n1-k8s-web-eth0"]);
    expect(readFileSync(path, "utf8")).toBe("[]\n");
  });

  it("makes good in a next run what an earlier one owes", async () => {
    away = true;
    const first = releasesOn();
    await first.release(web);
    first.stop();
    const second = releasesOn();
    expect(second.isOwed(web)).toBe(true);
    away = false;
    await second.retry();
    expect(done).toEqual(["net.1", "n1-k8s-web-eth0"]);
  });

  it("settles before a pod of the same name is made, or says why not", async () => {
    const releases = releasesOn();
    away = true;
    await releases.release(web);
    await expect(releases.settle(web)).rejects.toMatchObject({ code: "DATASTORE_UNAVAILABLE" });
    away = false;
    await releases.settle(web);
    await releases.settle(web);
    expect(done).toEqual(["net.1", "n1-k8s-web-eth0"]);
  });

  it.each(["{", '[{"namespace":1}]', '"x"'])("owes nothing by a file with %j", (text) => {
    writeFileSync(path, text);
    expect(releasesOn().isOwed(web)).toBe(false);
  });
});

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Etcd3 } from "etcd3";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { poolManifest } from "../support/calictl.ts";
import { EtcdServer } from "./support/etcd-server.ts";

const program = fileURLToPath(new URL("../../dist/bin/calictl.js", import.meta.url));
const poolKey = "/calico/resources/v3/projectcalico.org/ippools/pods";

let server: EtcdServer;
let folder: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-calictl-etcd-"));
  server = await EtcdServer.start();
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await server?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** A client of its own for each use: one that has seen the crash would wait before it tries again. */
async function withAdmin<Result>(run: (admin: Etcd3) => Promise<Result>): Promise<Result> {
  const admin = new Etcd3({ hosts: server.url });
  try {
    return await run(admin);
  } finally {
    admin.close();
  }
}

function start(environment: Record<string, string>, ...argv: string[]): ChildProcess {
  const env = { PATH: process.env.PATH ?? "", ...environment };
  const child = spawn(process.execPath, [program, ...argv], { env, stdio: ["pipe", "pipe", "pipe"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

async function calictl(environment: Record<string, string>, stdin: string, ...argv: string[]) {
  const child = start(environment, ...argv);
  child.stdin?.end(stdin);
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, err] = await Promise.all([child.stdout && text(child.stdout), child.stderr && text(child.stderr)]);
  return { code: await exit, out, err };
}

const byEnvironment = () => ({ ETCD_ENDPOINTS: server.url });

describe("calictl with etcd", () => {
  it("finds it by calicoctl's environment and file, and writes Calico's keys and JSON", async () => {
    const created = await calictl(byEnvironment(), poolManifest("pods", "10.1.0.0/16"), "create", "-f", "-");
    expect(created).toEqual({ code: 0, out: "Successfully created 1 'IPPool' resource(s)\n", err: "" });
    expect(await withAdmin((admin) => admin.get(poolKey).string())).toMatch(
      /^\{"kind":"IPPool","apiVersion":"projectcalico.org\/v3","metadata":\{"name":"pods","uid":"[-0-9a-f]{36}","creationTimestamp":"[-0-9T:]+Z"\},"spec":\{"cidr":"10.1.0.0\/16",/,
    );
    const config = join(folder, "calicoctl.cfg");
    const spec = `{datastoreType: etcdv3, etcdEndpoints: "${server.url}"}`;
    writeFileSync(config, `apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata: {}\nspec: ${spec}\n`);
    expect(await calictl({}, "", "get", "ippool", "-c", config)).toEqual({
      code: 0,
      out: "NAME   CIDR          SELECTOR   \npods   10.1.0.0/16   all()      \n\n",
      err: "",
    });
  });

  it("watches through a crash of etcd and a compaction, and prints what has changed meanwhile", async () => {
    const watch = start(byEnvironment(), "get", "ippool", "-w", "-o", "json");
    let printed = "";
    watch.stdout?.on("data", (chunk) => {
      printed += String(chunk);
    });
    const events = () =>
      printed
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { type: string; object: { metadata: { name: string } } })
        .map(({ type, object }) => `${type} ${object.metadata.name}`);
    const until = (expected: readonly string[]) =>
      vi.waitFor(() => expect(events()).toEqual(expected), { timeout: 60_000, interval: 50 });
    await until(["ADDED pods"]);

    watch.kill("SIGSTOP");
    await server.kill();
    await server.start();
    const other = poolManifest("more", "10.2.0.0/16");
    expect((await calictl(byEnvironment(), other, "create", "-f", "-")).err).toBe("");
    expect((await calictl(byEnvironment(), "", "delete", "ippool", "pods")).err).toBe("");
    await withAdmin(async ({ kv }) => {
      const { header } = await kv.range({ key: Buffer.from("/") });
      await kv.compact({ revision: header.revision, physical: true });
    });
    watch.kill("SIGCONT");

    await vi.waitFor(() => expect(events()).toHaveLength(3), { timeout: 60_000, interval: 50 });
    expect(events().slice(1).sort()).toEqual(["ADDED more", "DELETED pods"]);
    expect((await calictl(byEnvironment(), "", "label", "ippool", "more", "a=b")).err).toBe("");
    await vi.waitFor(() => expect(events().at(-1)).toBe("MODIFIED more"), { timeout: 60_000, interval: 50 });
  });

  it("says with the address that nobody answers, and fails", async () => {
    const { code, out, err } = await calictl({ ETCD_ENDPOINTS: "http://127.0.0.1:1" }, "", "get", "ippool");
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toContain("http://127.0.0.1:1");
  });
});

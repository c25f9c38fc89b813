import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

const program = join(process.cwd(), "dist/bin/calibird.js");
let folder: string;
let agent: ChildProcess | undefined;

beforeEach(() => {
  expect(existsSync(program), "run npm run build first").toBe(true);
  folder = mkdtempSync(join(tmpdir(), "calibird-agent-start-"));
});
afterEach(() => {
  agent?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** An agent in a network of its own, which waits at its start for an address that no interface has. */
function startAgent(): { process: ChildProcess; log: () => string } {
  const directories = ["--run-dir", join(folder, "run"), "--state-dir", join(folder, "state")];
  const datastore = ["--datastore", "embedded", "--embedded-path", join(folder, "datastore")];
  const node = ["--node-name", "n1", "--ip", "172.30.0.9/24"];
  const argv = ["--net", process.execPath, program, "agent", ...node, ...directories, ...datastore];
  const child = spawn("unshare", argv, { stdio: ["ignore", "pipe", "inherit"] });
  agent = child;
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  return { process: child, log: () => log };
}

describe("an agent that is still starting", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("ends with 0 on %s and leaves no socket behind", async (signal) => {
    const { process: child, log } = startAgent();
    const socket = join(folder, "run", "agent.sock");
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 20_000 });
    expect(log()).not.toContain("calibird is running");
    const ended = once(child, "exit");
    child.kill(signal);
    expect(await ended).toEqual([0, null]);
    expect(log()).not.toContain("no interface has this node's address");
    expect(log()).not.toContain("calibird is running");
    expect(existsSync(socket)).toBe(false);
  });
});

describe("calibird agent --explain-address", () => {
  const explain = async (setup: string, ...flags: readonly string[]) => {
    const argv = [process.execPath, program, "agent", "--explain-address", "--state-dir", folder, ...flags];
    const { stdout, stderr, status } = await runInNetwork(`${setup} && exec "$@"`, argv);
    return { lines: stdout.trimEnd().split("\n"), stderr, status };
  };
  const twoCards = [
    "ip link add eth0 type veth peer name other",
    "ip link add eth1 type veth peer name another",
    "ip link set eth0 up",
    "ip link set other up",
    "ip addr add 10.1.0.5/24 dev eth0",
    "ip addr add 10.2.0.5/24 dev eth1",
  ].join(" && ");

  it("prints every address and why it is taken or not, and writes nothing", async () => {
    const { lines, status } = await explain(twoCards, "--node-name", "n1", "--ip", "autodetect");
    expect(lines.slice(0, 4)).toEqual([
      "node n1, by the settings",
      "",
      "IPv4: 10.1.0.5/24",
      "  --ip autodetect by first-found",
    ]);
    expect(lines.slice(4, 8).map((line) => line.split(/ {3,}/))).toEqual(
      [
        ["ADDRESS", "INTERFACE", "VERDICT", "WHY"],
        ["10.1.0.5/24", "eth0", "taken", "the best that there is"],
        ["10.2.0.5/24", "eth1", "possible", "10.1.0.5 is better: its interface is down or has no carrier"],
        [],
      ].map((cells) => (cells.length === 0 ? [""] : cells)),
    );
    expect(lines.slice(8)).toContain("IPv6: no address of this family");
    expect(status).toBe(0);
    expect(existsSync(join(folder, "nodename"))).toBe(false);
  });

  it("ends with 1 and says what is missing if no address fits", async () => {
    const { lines, status } = await explain(
      twoCards,
      "--ip",
      "autodetect",
      "--ip-autodetection-method",
      "cidr=10.3.0.0/16",
    );
    expect(lines.find((line) => line.startsWith("IPv4: "))).toContain("no IPv4 address fits");
    expect(lines.join("\n")).toContain("it is not in 10.3.0.0/16");
    expect(status).toBe(1);
  });

  it("refuses a wrong setting as the agent does", async () => {
    const { stderr, status } = await explain("true", "--ip", "10.0.0.300");
    expect(stderr).toContain("flag --ip");
    expect(status).toBe(2);
  });
});

async function runInNetwork(
  script: string,
  argv: readonly string[],
): Promise<{ stdout: string; stderr: string; status: number | null }> {
  const child = spawn("unshare", ["--net", "sh", "-c", script, "sh", ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  agent = child;
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  const [status] = (await once(child, "close")) as [number | null];
  return { ...texts, status };
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Lab, type LabUpOptions } from "../../src/lab/lab.ts";

const folder = mkdtempSync(join(tmpdir(), "calibird-lab-test-"));
const unique = `t${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
const started = new Set<string>();
let counter = 0;

/** Writes a topology with a name of its own and returns its options. */
function topology(body: string): { file: string; name: string } {
  const name = `${unique}-${counter++}`;
  const file = join(folder, `${name}.clab.yml`);
  writeFileSync(file, `name: ${name}\ntopology:\n${body.replaceAll(/^/gm, "  ")}\n`);
  return { file, name };
}

async function up(options: LabUpOptions & { name: string }): Promise<Lab> {
  started.add(options.name);
  return Lab.up(options);
}

/** Everything of a lab that can be seen from outside. */
function traces(name: string): string[] {
  const processes = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((entry) => {
      try {
        return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(name);
      } catch {
        return false;
      }
    });
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(name));
  const namespaces = existsSync("/run/netns") ? readdirSync("/run/netns").filter((entry) => entry.includes(name)) : [];
  const files = existsSync(`/run/calibird-lab/${name}`) ? [`/run/calibird-lab/${name}`] : [];
  return [...processes, ...mounts, ...namespaces, ...files];
}

afterEach(async () => {
  for (const name of started) await Lab.remove(name);
  started.clear();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const twoNodesOnABridge = `
defaults: { kind: linux }
nodes:
  a:
    cmd: sleep 1000
    exec: [ip addr add 10.9.0.1/24 dev eth1]
  b:
    exec: [ip addr add 10.9.0.2/24 dev eth1]
  c:
    exec: [ip addr add 10.9.1.2/24 dev up1]
  net1: { kind: bridge }
links:
  - endpoints: ["a:eth1", "net1:a"]
    mtu: 1400
  - endpoints: ["b:eth1", "net1:b"]
    mtu: 1400
  - type: veth
    mtu: 1300
    endpoints:
      - { node: b, interface: up0, mac: "02:00:00:00:00:01" }
      - { node: c, interface: up1 }`;

describe("a lab that is up", () => {
  let lab: Lab;
  let name: string;
  const exec = (node: string, ...argv: string[]) => lab.exec(node, argv);

  beforeAll(async () => {
    const body = `
kinds:
  linux: { env: { GREETING: hello } }
${twoNodesOnABridge.trimStart()}`;
    mkdirSync(join(folder, "config"), { recursive: true });
    writeFileSync(join(folder, "config", "greeting"), "from the host\n");
    const given = topology(
      body
        .replace("cmd: sleep 1000", 'cmd: sh -c "echo started; sleep 1000"')
        .replace(
          "  b:\n",
          `  b:
    env: { WHO: __clabNodeName__ of __clabLabName__ }
    sysctls: { net.ipv4.ip_forward: 1 }
    binds:
      - config:/etc/calibird-lab-test/deep/config:ro
      - config/greeting:/etc/calibird-lab-test/greeting
      - __clabDir__/shared:/var/lib/calibird/shared
`,
        )
        .replace("  c:\n", "  c:\n    binds: ['__clabDir__/shared:/srv/shared']\n"),
    );
    name = given.name;
    lab = await Lab.up(given);
  });
  afterAll(() => lab.down());

  it("has run the exec commands after the links were up", () => {
    expect(lab.execReports.map(({ node, code, stderr }) => [node, code, stderr])).toEqual([
      ["a", 0, ""],
      ["b", 0, ""],
      ["c", 0, ""],
    ]);
  });

  it("carries packets over its bridge and over direct links", async () => {
    expect(await exec("a", "ping", "-c1", "-W2", "10.9.0.2")).toMatchObject({ code: 0 });
    await exec("b", "ip", "addr", "add", "10.9.1.1/24", "dev", "up0");
    expect(await exec("c", "ping", "-c1", "-W2", "10.9.1.1")).toMatchObject({ code: 0 });
  });

  it("gives links the names, the MTU and the MAC address of the file", async () => {
    const links = JSON.parse((await exec("b", "ip", "-j", "link")).stdout) as {
      ifname: string;
      mtu: number;
      address: string;
      operstate: string;
    }[];
    expect(links.map(({ ifname }) => ifname).sort()).toEqual(["eth1", "lo", "up0"]);
    expect(links.find(({ ifname }) => ifname === "eth1")).toMatchObject({ mtu: 1400, operstate: "UP" });
    expect(links.find(({ ifname }) => ifname === "up0")).toMatchObject({ mtu: 1300, address: "02:00:00:00:00:01" });
  });

  it("has a bridge in a namespace of its own", async () => {
    const ports = (await exec("net1", "ip", "-o", "link", "show", "master", "net1")).stdout;
    expect(ports).toMatch(/ a@.*\n.* b@/);
  });

  it("gives every node its own host name, processes, /run and /var/lib/calibird", async () => {
    expect((await exec("a", "hostname")).stdout).toBe("a\n");
    expect((await exec("a", "sh", "-c", "ls /proc | grep -c '^[0-9]'")).stdout.trim()).toMatch(/^\d$/);
    await exec("a", "sh", "-c", "echo a > /run/calibird/own; echo a > /var/lib/calibird/own; echo a > /run/other");
    expect((await exec("b", "ls", "/run/calibird", "/run/other", "/var/lib/calibird/own")).code).not.toBe(0);
    expect(existsSync("/run/other")).toBe(false);
  });

  it("shows a node's run directory to the host", async () => {
    await exec("b", "sh", "-c", "echo seen > /run/calibird/from-inside");
    const directory = lab.nodes.find((node) => node.name === "b")?.runDirectory ?? "";
    expect(directory).toBe(`/run/calibird-lab/${name}/nodes/b/run`);
    expect(readFileSync(join(directory, "from-inside"), "utf8")).toBe("seen\n");
  });

  it("binds files and folders, also where the host has no such folder, without making one there", async () => {
    expect((await exec("b", "cat", "/etc/calibird-lab-test/deep/config/greeting")).stdout).toBe("from the host\n");
    expect((await exec("b", "cat", "/etc/calibird-lab-test/greeting")).stdout).toBe("from the host\n");
    expect((await exec("b", "touch", "/etc/calibird-lab-test/deep/config/x")).stderr).toContain("Read-only");
    expect((await exec("b", "test", "-e", "/etc/passwd")).code).toBe(0);
    expect(existsSync("/etc/calibird-lab-test")).toBe(false);
    expect(existsSync("/srv/shared")).toBe(false);
  });

  it("shares a folder of the lab between nodes", async () => {
    await exec("b", "sh", "-c", "echo b > /var/lib/calibird/shared/note");
    expect((await exec("c", "cat", "/srv/shared/note")).stdout).toBe("b\n");
  });

  it("gives processes the file's environment, none of the host's, and our programs on the PATH", async () => {
    process.env.CALIBIRD_LAB_TEST = "leaked";
    const { stdout } = await exec("b", "env");
    delete process.env.CALIBIRD_LAB_TEST;
    expect(stdout).toContain("GREETING=hello\n");
    expect(stdout).toContain(`WHO=b of ${name}\n`);
    expect(stdout).not.toContain("leaked");
    expect((await exec("b", "sh", "-c", "command -v calibird; command -v calictl")).stdout).toBe(
      "/run/lab/bin/calibird\n/run/lab/bin/calictl\n",
    );
  });

  it("sets sysctls", async () => {
    expect((await exec("b", "cat", "/proc/sys/net/ipv4/ip_forward")).stdout).toBe("1\n");
  });

  it("lets a node make network namespaces of its own, as pods are", async () => {
    await exec("a", "ip", "netns", "add", "pod1");
    await exec("a", "ip", "-n", "pod1", "link", "set", "lo", "up");
    expect(await exec("a", "ip", "netns", "exec", "pod1", "ping", "-c1", "127.0.0.1")).toMatchObject({ code: 0 });
    expect((await exec("b", "ip", "netns", "list")).stdout).toBe("");
    expect(existsSync("/run/netns/pod1")).toBe(false);
  });

  it("can be entered by ip netns exec from the host", () => {
    expect(existsSync(`/run/netns/clab-${name}-a`)).toBe(true);
  });

  it("keeps the main process's output in a log", () => {
    expect(readFileSync(lab.nodes.find((node) => node.name === "a")?.log ?? "", "utf8")).toBe("started\n");
  });

  it("passes input, status and both outputs of a program through, and ends it after a time limit", async () => {
    const result = await lab.exec("a", ["sh", "-c", "cat; echo err >&2; exit 7"], { input: "in" });
    expect(result).toEqual({ code: 7, stdout: "in", stderr: "err\n" });
    expect((await lab.exec("a", ["sleep", "12345"], { timeoutMs: 50 })).code).toBe(124);
    expect((await exec("a", "sh", "-c", "ps ax | grep -c '[s]leep 12345'")).stdout.trim()).toBe("0");
  });

  it("names the nodes there are when asked for another", async () => {
    await expect(exec("d", "true")).rejects.toMatchObject({
      code: "LAB_NODE_UNKNOWN",
      message: `lab ${name} has no node d; it has a, b, c, net1`,
    });
  });

  it("refuses to come up twice, and says how to remove it", async () => {
    await expect(Lab.up({ file: lab.file })).rejects.toMatchObject({
      code: "LAB_ALREADY_UP",
      message: expect.stringContaining(`node dist/bin/calibird.js lab down ${lab.file} --name ${name}`),
    });
  });

  it("is found by another process through its name", async () => {
    const other = Lab.attach(name);
    expect(other.status().map(({ name: node, main }) => [node, main.state])).toEqual([
      ["a", "running"],
      ["b", "none"],
      ["c", "none"],
      ["net1", "none"],
    ]);
    expect((await other.exec("a", ["hostname"])).stdout).toBe("a\n");
  });
});

describe("a node's main process", () => {
  it("can be killed while its namespaces stay, and be started again", async () => {
    const lab = await up(topology("nodes: { a: { kind: linux, cmd: 'sh -c \"echo run >&2; sleep 1000\"' } }"));
    const before = lab.status()[0]?.main;
    await lab.exec("a", ["ip", "link", "add", "kept", "type", "bridge"]);
    await lab.killNode("a");
    expect(lab.status()[0]?.main).toEqual({ state: "exited", code: 137 });
    await expect(lab.killNode("a")).rejects.toMatchObject({ code: "LAB_NODE_NOT_RUNNING" });
    expect((await lab.exec("a", ["ip", "link", "show", "kept"])).code).toBe(0);
    await lab.startNode("a");
    const after = lab.status()[0]?.main;
    expect([before?.state, after?.state]).toEqual(["running", "running"]);
    expect(after).not.toEqual(before);
    expect(readFileSync(lab.nodes[0]?.log ?? "", "utf8")).toMatch(/^run\n(.*\n)?run\n$/);
    await expect(lab.startNode("a")).rejects.toMatchObject({ code: "LAB_NODE_RUNNING" });
  });

  it("gets the signals that are sent to it, and its status is kept", async () => {
    const lab = await up(
      topology(`nodes: { a: { kind: linux, cmd: "sh -c 'trap \\"exit 3\\" INT; while :; do sleep 0.05; done'" } }`),
    );
    await lab.killNode("a", "SIGINT");
    await expect.poll(() => lab.status()[0]?.main).toEqual({ state: "exited", code: 3 });
  });

  it("that does not exist is seen as ended with 127, with the reason in its log", async () => {
    const lab = await up(topology("nodes: { a: { kind: linux, cmd: no-such-program-here } }"));
    await expect.poll(() => lab.status()[0]?.main).toEqual({ state: "exited", code: 127 });
    expect(readFileSync(lab.nodes[0]?.log ?? "", "utf8")).toContain("no-such-program-here");
  });
});

describe("a lab's end", () => {
  it("leaves no process, mount, namespace or file", async () => {
    const given = topology(twoNodesOnABridge);
    const lab = await up(given);
    await lab.exec("a", ["sh", "-c", "ip netns add pod1; setsid sleep 1000 >/dev/null 2>&1 &"]);
    expect(traces(given.name)).not.toEqual([]);
    await lab.down();
    expect(traces(given.name)).toEqual([]);
    expect(await Lab.remove(given.name)).toBe(false);
  });

  it("comes also after its nodes were killed from outside", async () => {
    const given = topology(twoNodesOnABridge);
    const lab = await up(given);
    const init = (
      JSON.parse(readFileSync(`/run/calibird-lab/${given.name}/state.json`, "utf8")) as { nodes: { initPid: number }[] }
    ).nodes[0];
    process.kill(init?.initPid ?? 0, "SIGKILL");
    await expect.poll(() => lab.status()[0]?.main.state).toBe("lost");
    await expect(lab.exec("a", ["true"])).rejects.toMatchObject({ code: "LAB_NODE_NOT_RUNNING" });
    await lab.down();
    expect(traces(given.name)).toEqual([]);
  });
});

describe("a lab that cannot come up", () => {
  it("leaves nothing behind when a device cannot be made", async () => {
    const given = topology(`
nodes: { a: { kind: linux, cmd: sleep 1000, sysctls: { net.ipv4.no_such_thing: 1 } }, b: { kind: linux, cmd: sleep 1000 } }
links: [{ endpoints: ["a:eth1", "b:eth1"] }]`);
    await expect(up(given)).rejects.toMatchObject({
      code: "LAB_START_FAILED",
      message: expect.stringMatching(/^node a cannot be set up: .*no_such_thing/),
    });
    expect(traces(given.name)).toEqual([]);
  });

  it("names every missing bind source before it makes anything", async () => {
    const given = topology("nodes: { a: { kind: linux, binds: ['none/x:/srv/x', 'none/y:/srv/y'] } }");
    await expect(up(given)).rejects.toMatchObject({
      message: expect.stringMatching(/none\/x, which does not exist\n.*none\/y, which does not exist$/),
    });
    expect(traces(given.name)).toEqual([]);
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const controller = new AbortController();
    const given = topology("nodes: { a: { kind: linux, cmd: sleep 1000, exec: [sleep 1000] } }");
    const promise = up({
      ...given,
      signal: controller.signal,
      report: (line) => {
        if (line.startsWith("main processes")) setImmediate(() => controller.abort());
      },
    });
    await expect(promise).rejects.toMatchObject({ code: "LAB_INTERRUPTED" });
    expect(traces(given.name)).toEqual([]);
  });
});

describe("an exec command that fails", () => {
  it("is reported with its output, and the others run all the same", async () => {
    const lines: string[] = [];
    const given = topology(`nodes: { a: { kind: linux, exec: ["sh -c 'echo why >&2; exit 3'", "echo after"] } }`);
    const lab = await up({ ...given, report: (line) => lines.push(line) });
    expect(lab.execReports.map(({ code, stdout, stderr }) => [code, stdout, stderr])).toEqual([
      [3, "", "why\n"],
      [0, "after\n", ""],
    ]);
    expect(lines).toContain("a: sh -c 'echo why >&2; exit 3' FAILED with status 3\n  why");
  });

  it("does not hold the lab up by what it leaves in the background", async () => {
    const lab = await up(topology(`nodes: { a: { kind: linux, exec: ["sh -c 'sleep 1000 & echo done'"] } }`));
    expect(lab.execReports[0]).toMatchObject({ code: 0, stdout: "done\n" });
  });
});

/** Brings a lab up in a process that is killed when the start reports a line with this beginning. */
async function upAndDie(given: { file: string; name: string }, line: string): Promise<void> {
  started.add(given.name);
  const script = `import { Lab } from ${JSON.stringify(join(process.cwd(), "dist/lab/lab.js"))};
    const report = (line) => line.startsWith(${JSON.stringify(line)}) && process.kill(process.pid, "SIGKILL");
    await Lab.up({ file: ${JSON.stringify(given.file)}, report });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const [, signal] = await once(child, "exit");
  expect([signal, stderr]).toEqual(["SIGKILL", ""]);
}

describe("a lab whose start was killed", () => {
  it.each(["namespaces", "3 links", "main processes", "a: ip addr"])(
    "after %j is refused, explained and removed",
    async (line) => {
      const given = topology(twoNodesOnABridge);
      await upAndDie(given, line);
      await expect(Lab.up(given)).rejects.toMatchObject({
        code: "LAB_ALREADY_UP",
        message: expect.stringContaining(`was interrupted`),
      });
      await Lab.remove(given.name);
      expect(traces(given.name)).toEqual([]);
    },
  );

  it("comes up with reconfigure", async () => {
    const given = topology(twoNodesOnABridge);
    await upAndDie(given, "main processes");
    const lab = await up({ ...given, reconfigure: true });
    expect(lab.status()[0]?.main.state).toBe("running");
  });
});

describe("labs side by side", () => {
  it("of one file under two names do not see each other", async () => {
    const given = topology(
      `${twoNodesOnABridge.replace("    exec: [ip addr add 10.9.0.2/24 dev eth1]", "    exec: [ip addr add 10.9.0.2/24 dev eth1]\n    binds: ['__clabDir__/own:/srv/own']")}`,
    );
    const second = `${given.name}x`;
    const [one, other] = await Promise.all([up(given), up({ ...given, name: second })]);
    await one.exec("b", ["touch", "/srv/own/one"]);
    expect((await other.exec("b", ["ls", "/srv/own"])).stdout).toBe("");
    await other.exec("b", ["ip", "link", "set", "eth1", "down"]);
    expect((await one.exec("a", ["ping", "-c1", "-W2", "10.9.0.2"])).code).toBe(0);
    await one.down();
    expect((await other.exec("a", ["hostname"])).stdout).toBe("a\n");
    expect(traces(second).length).toBeGreaterThan(0);
  });

  it("replace one another if they are asked to", async () => {
    const given = topology("nodes: { a: { kind: linux, cmd: sleep 1000 } }");
    const lab = await up(given);
    await lab.exec("a", ["touch", "/run/calibird/old"]);
    const again = await up({ ...given, reconfigure: true });
    expect((await again.exec("a", ["ls", "/run/calibird"])).stdout).toBe("");
  });
});

describe("a node that needs a program", () => {
  it("is left out with its links and a notice if the program is missing", async () => {
    const lines: string[] = [];
    const given = topology(`
defaults: { kind: linux }
nodes:
  a: { labels: { calibird.requires: sh } }
  b: { labels: { calibird.requires: no-such-program-here }, cmd: no-such-program-here }
links: [{ endpoints: ["a:eth1", "b:eth1"] }]`);
    const lab = await up({ ...given, report: (line) => lines.push(line) });
    expect(lab.nodes.map((node) => node.name)).toEqual(["a"]);
    expect(lines).toContain("without node b: no-such-program-here is not installed");
    expect((await lab.exec("a", ["ip", "-o", "link"])).stdout).not.toContain("eth1");
  });
});

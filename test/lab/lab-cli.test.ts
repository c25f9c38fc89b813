import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Lab } from "../../src/lab/lab.ts";

const program = join(process.cwd(), "dist/bin/calibird.js");
const folder = mkdtempSync(join(tmpdir(), "calibird-lab-cli-"));
const name = `c${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
const file = join(folder, "lab.clab.yml");

beforeAll(() => {
  expect(existsSync(program), "run npm run build first").toBe(true);
  writeFileSync(
    file,
    `name: ${name}\ntopology:\n  nodes:\n    a: { kind: linux, cmd: sleep 1000, exec: [echo hello], ports: ["1:1"] }\n`,
  );
});
afterEach(() => Lab.remove(name));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(...argv: string[]) {
  const child = spawn(process.execPath, [program, "lab", ...argv], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  return { child, output };
}

async function lab(...argv: string[]) {
  const { child, output } = start(...argv);
  const [code] = await once(child, "close");
  return { code: code as number, ...output };
}

describe("calibird lab", () => {
  it("brings a lab up, shows it, runs programs in it and removes it, each in a process of its own", async () => {
    const up = await lab("up", file);
    expect(up).toMatchObject({ code: 0, stderr: "" });
    expect(up.stdout).toContain("a: echo hello\n  hello\n");
    expect(up.stdout).toContain("lab.clab.yml:4: topology.nodes.a.ports: known to containerlab, has no effect");

    const status = await lab("status", file);
    expect(status.code).toBe(0);
    expect(status.stdout).toMatch(/^a +linux +running, pid \d+ /m);

    expect(await lab("exec", file, "a", "--", "sh", "-c", "hostname; echo err >&2; exit 7")).toEqual({
      code: 7,
      stdout: "a\n",
      stderr: "err\n",
    });

    expect(await lab("down", file)).toEqual({ code: 0, stdout: `lab ${name} is removed\n`, stderr: "" });
    expect(await lab("down", file)).toEqual({ code: 0, stdout: `no lab named ${name} is up\n`, stderr: "" });
  });

  it("fails with 1 and says why if the lab is up already, or is not up", async () => {
    expect(await lab("status", file)).toEqual({ code: 1, stdout: "", stderr: `no lab named ${name} is up\n` });
    await lab("up", file);
    const again = await lab("up", file);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(`node dist/bin/calibird.js lab down ${file} --name ${name}`);
    expect((await lab("up", file, "--reconfigure")).code).toBe(0);
  });

  it("shows with its status that a main process has ended", async () => {
    await lab("up", file);
    await Lab.attach(name).killNode("a");
    const status = await lab("status", file);
    expect([status.code, status.stdout]).toEqual([1, expect.stringMatching(/^a +linux +exited with 137 /m)]);
  });

  it("fails with 1 if a command of the file fails, and leaves the lab up to look at", async () => {
    const broken = join(folder, "broken.clab.yml");
    writeFileSync(broken, readFileSync(file, "utf8").replace("echo hello", "test -e /none"));
    const up = await lab("up", broken);
    expect(up.code).toBe(1);
    expect(up.stdout).toContain("a: test -e /none FAILED with status 1");
    expect((await lab("exec", broken, "a", "--", "true")).code).toBe(0);
  });

  it("prints every mistake of a file with its line, and fails with 1", async () => {
    const wrong = join(folder, "wrong.clab.yml");
    writeFileSync(wrong, "name: t\ntopology:\n  nodes:\n    a: { kind: linx, cdm: x }\n");
    expect(await lab("up", wrong)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        `${wrong}:4: topology.nodes.a.cdm: unknown field "cdm"; did you mean cmd?\n` +
        `${wrong}:4: topology.nodes.a.kind: kind "linx" is not supported in this lab; did you mean linux?\n`,
    });
  });

  it("takes a wrong command line for 2: no file, no node of this name", async () => {
    expect((await lab("up")).code).toBe(2);
    await lab("up", file);
    const exec = await lab("exec", file, "b", "--", "true");
    expect([exec.code, exec.stderr]).toEqual([2, expect.stringContaining("there is no node b; nodes are a")]);
  });

  it("removes a half-made lab on Ctrl-C", async () => {
    writeFileSync(join(folder, "slow.clab.yml"), readFileSync(file, "utf8").replace("echo hello", "sleep 1000"));
    const { child, output } = start("up", join(folder, "slow.clab.yml"));
    await expect.poll(() => output.stdout, { timeout: 20_000 }).toContain("main processes");
    child.kill("SIGINT");
    const [code] = await once(child, "close");
    expect([code, existsSync(`/run/calibird-lab/${name}`), existsSync(`/run/netns/clab-${name}-a`)]).toEqual([
      1,
      false,
      false,
    ]);
  });
});

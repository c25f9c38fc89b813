import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { runInUml } from "./support/uml-machine.ts";

/** Id of the kernel that has this word on its command line; it leads the process group of its machine. */
function kernelWith(word: string): string | undefined {
  return processes().find((id) => readProcess(id, "cmdline").includes(word) && groupOf(id) === id);
}

/** Ids of the processes of a machine; only the kernel's own have its command line. */
function processesOf(kernel: string): string[] {
  return processes().filter((id) => groupOf(id) === kernel);
}

function processes(): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
}

/** Undefined for one that has ended and that nobody has asked about yet. */
function groupOf(id: string): string | undefined {
  return /^\d+ \(.*\) [^ZX] \d+ (\d+) /s.exec(readProcess(id, "stat"))?.[1];
}

function readProcess(id: string, file: string): string {
  try {
    return readFileSync(`/proc/${id}/${file}`, "utf8");
  } catch {
    return "";
  }
}

const unique = () => `uml-test-${process.pid}-${Math.random().toString(36).slice(2)}`;

it("runs programs side by side, each as root of a machine that cannot change this one", async () => {
  const host = join(tmpdir(), unique());
  writeFileSync(host, "of the host");
  onTestFinished(() => rmSync(host));
  const script = `
    cat ${host}; echo of the guest > ${host}; cat ${host}
    ip link add guest0 type dummy && ip -brief link show guest0 | cut -d' ' -f1
    pwd; id -u; echo "$WORDS" >&2; cp ${host} /run/uml/output/left; exit 3`;
  const once = () =>
    runInUml(["sh", "-c", script], { timeoutMs: 30_000, workingFolder: "/usr", env: { WORDS: "it's $HOME" } });
  for (const { files, ...result } of await Promise.all([once(), once()])) {
    expect(result).toEqual({
      code: 3,
      stdout: "of the hostof the guest\nguest0\n/usr\n0\n",
      stderr: "it's $HOME\n",
    });
    expect([...files].map(([name, content]) => [name, String(content)])).toEqual([["left", "of the guest\n"]]);
  }
  expect(readFileSync(host, "utf8")).toBe("of the host");
  expect(existsSync("/sys/class/net/guest0")).toBe(false);
});

it("switches a machine off when its time is over, and leaves no process of it", async () => {
  const word = unique();
  const script = "echo so far; for i in 1 2 3; do sleep 1000 & done; wait";
  const running = runInUml(["sh", "-c", script], { timeoutMs: 5_000, kernelArguments: [`mark=${word}`] });
  const kernel = await vi.waitFor(
    () => {
      const found = kernelWith(word) ?? "";
      expect(processesOf(found).length).toBeGreaterThan(4);
      return found;
    },
    { timeout: 4_500, interval: 100 },
  );
  await expect(running).rejects.toThrow(/switched off after 5000 ms[\s\S]*so far/);
  await vi.waitFor(() => expect(processesOf(kernel)).toEqual([]), { timeout: 10_000 });
});

import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poolManifest } from "../support/calictl.ts";

let folder: string;
let environment: Record<string, string>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "calibird-completion-"));
  const program = fileURLToPath(new URL("../../dist/bin/calictl.js", import.meta.url));
  const command = join(folder, "calictl");
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(command, 0o755);
  environment = {
    PATH: `${folder}:${process.env.PATH}`,
    HOME: folder,
    DATASTORE_TYPE: "embedded",
    CALIBIRD_EMBEDDED_PATH: join(folder, "store"),
  };
  const input = `${poolManifest("pods-a", "10.1.0.0/16")}---\n${poolManifest("pods-b", "10.2.0.0/16")}`;
  execFileSync(command, ["create", "-f", "-"], { env: environment, input });
  writeFileSync(join(folder, "pool one.yaml"), "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (shell: string, argv: readonly string[]) =>
  execFileSync(shell, argv, { env: environment, cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

describe("bash, with the completion sourced", () => {
  /** What bash offers after these words, the last of which is being typed. */
  const offers = (...words: string[]) => {
    const script = `
      source <(calictl completion bash)
      complete -p calictl | grep -q -- "-F _calictl"
      COMP_WORDS=(calictl "$@")
      COMP_CWORD=$#
      _calictl
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run("bash", ["--norc", "-euc", script, "bash", ...words])
      .split("\n")
      .slice(0, -1);
  };

  it("offers commands, kinds, the names in the datastore, and formats", () => {
    expect(offers("val")).toEqual(["validate"]);
    expect(offers("get", "ipp")).toEqual(["ippool"]);
    expect(offers("get", "ippool", "")).toEqual(["pods-a", "pods-b"]);
    expect(offers("get", "ippool", "--output", "=", "ya")).toEqual(["yaml"]);
    expect(offers("delete", "ippool", "pods-a", "p")).toEqual(["pods-b"]);
  });

  it("offers files, also those with spaces, where a file is wanted", () => {
    expect(offers("apply", "-f", "poo")).toEqual(["pool one.yaml"]);
  });
});

describe("zsh, with the completion sourced", () => {
  it("takes the script, and knows the command", () => {
    const script = `autoload -Uz compinit; compinit -u -D; source <(calictl completion zsh); print -r -- "$_comps[calictl]"`;
    expect(run("zsh", ["-f", "-c", script])).toBe("_calictl\n");
  });
});

describe("fish, with the completion sourced", () => {
  it("offers the names in the datastore", () => {
    const script = `calictl completion fish | source; complete -C "calictl get ippool "`;
    expect(run("fish", ["--no-config", "-c", script])).toBe("pods-a\npods-b\n");
  });
});

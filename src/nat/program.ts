import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, writeSync } from "node:fs";
import { errorMessage } from "../core/errors.ts";
import { createMemoryFile } from "../sys/libc.ts";
import { NatError } from "./errors.ts";
import type { NftCommand } from "./table.ts";

/**
 * Gives commands to nft as one transaction and resolves with what it wrote. Rejects with a NatError; then nothing was
 * changed, unless the code is NFT_FAILED.
 */
export type NftRunner = (commands: readonly NftCommand[]) => Promise<string>;

const timeoutMs = 30_000;
/** A table with 100,000 elements is listed in about 6 MiB. */
const outputLimit = 64 * 2 ** 20;

/** Runs `nft -j -f -`; `launcher` is put before it, for example to enter a namespace. */
export function createNftRunner(launcher: readonly string[] = []): NftRunner {
  const [program = "nft", ...args] = [...launcher, "nft", "-j", "-f", "-"];
  return async (commands) => {
    // Not a pipe: node's are sockets, and nft opens /dev/stdin by its name, which a socket refuses.
    const input = createMemoryFile("nft-commands");
    let child: ChildProcess;
    try {
      writeAtStart(input, Buffer.from(JSON.stringify({ nftables: commands })));
      child = spawn(program, args, { stdio: [input, "pipe", "pipe"], timeout: timeoutMs, killSignal: "SIGKILL" });
    } finally {
      closeSync(input);
    }
    return outputOf(child, program);
  };
}

/** Leaves the file's position at its beginning, for programs that read the descriptor as it is. */
function writeAtStart(fd: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(fd, bytes, written, bytes.length - written, written);
}

function outputOf(child: ChildProcess, program: string): Promise<string> {
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
      if (output[stream].length > outputLimit) child.kill("SIGKILL");
    });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(startError(error, program)));
    child.once("close", (code, signal) => {
      if (code === 0) resolve(output.stdout);
      else if (code === null)
        reject(new NatError("NFT_FAILED", `nft was ended by ${signal}; it may take ${timeoutMs / 1000} s`, { signal }));
      else reject(new NatError("NFT_REFUSED", `nft refused: ${firstLine(output.stderr)}`, { status: code }));
    });
  });
}

function startError(error: Error, program: string): NatError {
  const missing = "code" in error && error.code === "ENOENT";
  return missing
    ? new NatError(
        "NFT_MISSING",
        `the program ${program} is not installed: apt-get install nftables`,
        { program },
        error,
      )
    : new NatError("NFT_FAILED", `${program} cannot be run: ${errorMessage(error)}`, { program }, error);
}

/** What nft says first is why; what follows shows where. */
function firstLine(stderr: string): string {
  const [line = ""] = stderr.trim().split("\n");
  return line === "" ? "it gave no reason" : line.slice(0, 300);
}

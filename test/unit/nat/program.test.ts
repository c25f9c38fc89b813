import { describe, expect, it } from "vitest";
import { createNftRunner } from "../../../src/nat/program.ts";
import type { NftCommand } from "../../../src/nat/table.ts";

const commands: NftCommand[] = [{ list: { tables: null } }];

/** A runner with a shell script in nft's place; the script gets nft's command line as its arguments. */
const runScript = (script: string) => createNftRunner(["sh", "-c", script, "sh"]);

describe("running nft", () => {
  it("gives it the commands as a file that it can open as /dev/stdin", async () => {
    expect(JSON.parse(await runScript("cat /dev/stdin")(commands))).toEqual({ nftables: commands });
  });

  it("gives it the commands as its standard input, too", async () => {
    expect(JSON.parse(await runScript("cat")(commands))).toEqual({ nftables: commands });
  });

  it("takes a transaction of many megabytes, and as long an answer", async () => {
    const element = {
      family: "ip",
      table: "calibird",
      name: "all-hosts-net",
      elem: Array(300_000).fill("10.0.0.1"),
    } as const;
    const answer = await runScript("cat")([{ add: { element } }]);
    expect(answer.length).toBeGreaterThan(3_000_000);
    expect(JSON.parse(answer)).toEqual({ nftables: [{ add: { element } }] });
  });

  it("asks for JSON from the standard input, and for nothing else", async () => {
    expect(await runScript('echo "$@"')(commands)).toBe("nft -j -f -\n");
  });

  it("tells what to install if it is not there", async () => {
    await expect(createNftRunner(["/nonexistent/nft"])(commands)).rejects.toMatchObject({
      name: "NatError",
      code: "NFT_MISSING",
      message: expect.stringContaining("apt-get install nftables"),
    });
  });

  it("gives the reason that nft gives for a refusal", async () => {
    const script = "echo 'internal:0:0-0: Error: Could not process rule: Operation not supported' >&2; exit 1";
    await expect(runScript(script)(commands)).rejects.toMatchObject({
      code: "NFT_REFUSED",
      message: "nft refused: internal:0:0-0: Error: Could not process rule: Operation not supported",
    });
  });

  it("says so if something killed it", async () => {
    await expect(runScript("kill -9 $$")(commands)).rejects.toMatchObject({ code: "NFT_FAILED" });
  });
});

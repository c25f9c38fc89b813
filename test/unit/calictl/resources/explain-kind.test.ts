import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runCalictl } from "../../../../src/calictl/program.ts";
import { resourceKinds } from "../../../../src/resources/kinds.ts";

async function explain(...argv: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const context = { stdout, stderr, stdin: Readable.from([]), environment: {}, colour: false, nowMs: () => 0 };
  const code = await runCalictl(["explain", ...argv], context);
  return { code, out: String(stdout.read() ?? ""), err: String(stderr.read() ?? "") };
}

describe("calictl explain", () => {
  it.each(resourceKinds.map((kind) => [kind]))(
    "tells what %s is and has, in lines that fit a terminal",
    async (kind) => {
      const { code, out } = await explain(kind);
      expect(code).toBe(0);
      expect(out).toMatch(new RegExp(`^KIND: {5}${kind}\nVERSION: {2}projectcalico.org/v3\nNAMES: {4}`));
      expect(out).toMatch(/\nDESCRIPTION:\n {4}\S/);
      expect(out).toMatch(/\nFIELDS:\n[\s\S]*\n {4}spec </);
      expect((await explain(`${kind}.spec`)).out.split("\n").filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it("tells of a field its type, whether it must be there, what it may be and what its absence means", async () => {
    const { out } = await explain("pool.spec.cidr");
    expect(out).toContain("FIELD:    spec.cidr <text> (required)\n");
    expect((await explain("ippool.spec.ipipMode")).out).toMatch(
      /one of Never, Always, CrossSubnet\n[\s\S]*default: Never/,
    );
    expect((await explain("bgppeer.spec.asNumber")).out).toContain("<AS number>");
  });

  it("steps through lists, and lets spec be left out", async () => {
    const { out } = await explain("bgpconfig.communities[0].name");
    expect(out).toContain("FIELD:    spec.communities.name <text>");
    expect((await explain("bgpconfig.spec.communities")).out).toMatch(
      /<list of object>[\s\S]*FIELDS:\n {4}name <text>/,
    );
  });

  it("shows the whole tree with --recursive", async () => {
    const { out } = await explain("bgppeer", "--recursive");
    expect(out).toMatch(
      /\n {4}spec <object>.*\n[\s\S]*\n {6}password <object>\n {8}secretKeyRef <object>.*\n {10}name <text>/,
    );
  });

  it.each([
    ["pol.spec.selectr", 'NetworkPolicy.spec has no field "selectr"; did you mean "selector"?'],
    ["ippool.cdir", 'did you mean "cidr"?'],
    ["ippool.spec.cidr.x", 'IPPool.spec.cidr has no field "x"; it has no fields'],
    ["ipool", 'unknown kind "ipool"; did you mean "ippool"?'],
  ])("says what %s is not, with status 2", async (path, message) => {
    const { code, err } = await explain(path);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

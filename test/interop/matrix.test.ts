import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as attributes from "./matrix/attributes.ts";
import * as gracefulRestart from "./matrix/graceful-restart.ts";
import * as reflection from "./matrix/reflection.ts";
import * as refresh from "./matrix/refresh.ts";
import type { Scenario } from "./matrix/scenario.ts";
import * as sessions from "./matrix/sessions.ts";
import { ResultTable } from "./matrix/table.ts";
import { Bench } from "./support/bench.ts";
import type { DaemonName } from "./support/daemons/daemon.ts";

const daemons: readonly DaemonName[] = ["BIRD", "FRR", "GoBGP", "OpenBGPD", "ExaBGP"];
const scenarios: readonly Scenario[] = [sessions, attributes, reflection, refresh, gracefulRestart].flatMap((group) =>
  Object.values(group),
);
const table = new ResultTable(
  daemons,
  scenarios.flatMap(({ features }) => features),
);

// The daemons side by side, since most of the time is spent waiting for one of them.
describe.concurrent.each(daemons)("%s", (daemon) => {
  const isPossible = ({ lacking }: Scenario["features"][number]) => lacking?.[daemon] === undefined;
  const possible = scenarios.filter(({ features }) => features.some(isPossible));
  describe.sequential.each(possible)("$title", ({ features, prepare }) => {
    let bench: Bench | undefined;
    let check: (feature: string) => Promise<void>;
    beforeAll(async () => {
      bench = await Bench.create(daemon);
      check = await prepare(bench);
    });
    afterAll(async () => {
      if (bench !== undefined) await table.remember(bench.daemon);
      await bench?.close();
    });

    it.each(features.filter(isPossible))("$feature", async ({ feature }) => {
      await check(feature);
      table.passed(feature, daemon);
    });
  });
});

describe("the table of results", () => {
  const page = fileURLToPath(new URL("../../docs/interop.md", import.meta.url));

  it("has no cell that is neither passed nor explained", () => {
    console.log(`${table}\n${table.counts}`);
    expect(table.failures).toEqual([]);
  });

  it("knows every complaint in the daemons' logs", () => {
    expect(table.surprises).toEqual([]);
  });

  it("is what docs/interop.md says", () => {
    if (process.env.WRITE_INTEROP === "yes") writeFileSync(page, `${table}`);
    expect(readFileSync(page, "utf8")).toBe(`${table}`);
  });
});

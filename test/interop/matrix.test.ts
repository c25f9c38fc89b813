import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as addPath from "./matrix/add-path.ts";
import * as attributes from "./matrix/attributes.ts";
import * as bfd from "./matrix/bfd.ts";
import * as capabilities from "./matrix/capabilities.ts";
import * as extendedNextHop from "./matrix/extended-next-hop.ts";
import * as gracefulRestart from "./matrix/graceful-restart.ts";
import * as limits from "./matrix/limits.ts";
import * as longLived from "./matrix/long-lived.ts";
import * as reflection from "./matrix/reflection.ts";
import * as refresh from "./matrix/refresh.ts";
import * as roles from "./matrix/roles.ts";
import type { Scenario } from "./matrix/scenario.ts";
import * as security from "./matrix/security.ts";
import * as sessions from "./matrix/sessions.ts";
import * as shutdown from "./matrix/shutdown.ts";
import { ResultTable } from "./matrix/table.ts";
import { Bench } from "./support/bench.ts";
import type { DaemonName } from "./support/daemons/daemon.ts";

const daemons: readonly DaemonName[] = ["BIRD", "FRR", "GoBGP", "OpenBGPD", "ExaBGP"];
const scenarios: readonly Scenario[] = [
  sessions,
  security,
  attributes,
  addPath,
  reflection,
  refresh,
  gracefulRestart,
  longLived,
  capabilities,
  extendedNextHop,
  limits,
  shutdown,
  roles,
  bfd,
].flatMap((group) => Object.values(group));
const table = new ResultTable(
  daemons,
  scenarios.flatMap(({ features }) => features),
);

function checkScenario({ title, features, prepare }: Scenario, daemon: DaemonName): void {
  const possible = features.filter(({ lacking }) => lacking?.[daemon] === undefined);
  if (possible.length === 0) return;
  describe.sequential(title, () => {
    let bench: Bench | undefined;
    let check: (feature: string) => Promise<void>;
    beforeAll(async () => {
      bench = await Bench.create(daemon);
      check = await prepare(bench);
    });
    afterAll(async () => {
      if (bench !== undefined) await table.remember(bench);
      await bench?.close();
    });

    for (const { feature } of possible)
      it(feature, async () => {
        await check(feature);
        table.passed(feature, daemon);
      });
  });
}

// The daemons side by side, since most of the time is spent waiting for one of them.
for (const daemon of daemons)
  describe.concurrent(daemon, () => {
    for (const scenario of scenarios) checkScenario(scenario, daemon);
  });

describe("the table of results", () => {
  const page = fileURLToPath(new URL("../../docs/interop.md", import.meta.url));

  it("has no cell that is neither passed nor explained", () => {
    console.log([table, table.counts, ...table.surprises].join("\n"));
    expect(table.failures).toEqual([]);
  });

  it("says of no daemon that it lacks what its OPEN offers", () => {
    expect(table.gains).toEqual([]);
  });

  it("knows what the daemons complain about again and again", () => {
    expect(table.unexplained).toEqual([]);
  });

  it("is what docs/interop.md says", () => {
    if (process.env.WRITE_INTEROP === "yes") writeFileSync(page, `${table}`);
    expect(readFileSync(page, "utf8")).toBe(`${table}`);
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diffTable } from "../../src/nat/diff.ts";
import { readTable, readTables } from "../../src/nat/listing.ts";
import { type NatState, natTables } from "../../src/nat/ruleset.ts";
import { imageOf, type TableImage, tableName } from "../../src/nat/table.ts";
import { address, natState } from "../support/nat-states.ts";
import { NftModel, span } from "../support/nft-model.ts";

async function present(kernel: NftModel, family: "ip" | "ip6"): Promise<TableImage | undefined> {
  if (!readTables(await kernel.run([{ list: { tables: null } }])).includes(family)) return undefined;
  return readTable(await kernel.run([{ list: { table: { family, name: tableName } } }]));
}

/** Writes the differences to a state, from what the kernel lists. */
async function bringTo(kernel: NftModel, state: NatState): Promise<number> {
  let commands = 0;
  for (const table of natTables(state)) {
    const difference = diffTable(await present(kernel, table.family), table);
    commands += difference.length;
    await kernel.run(difference);
  }
  return commands;
}

const content = (kernel: NftModel, family: string) => {
  const table = kernel.tables.get(`${family} ${tableName}`);
  return {
    sets: [...(table?.sets ?? [])].map(([name, { elements }]) => [
      name,
      elements.map(({ first, last }) => `${first}-${last}`).sort(),
    ]),
    chains: [...(table?.chains ?? [])],
  };
};

describe("the differences between two states of address translation", () => {
  test("lead from whatever was there to the same tables as writing them from scratch, and then to nothing more", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(natState, { minLength: 1, maxLength: 5 }), async (states) => {
        const kernel = new NftModel();
        for (const state of states) {
          await bringTo(kernel, state);
          const fresh = new NftModel();
          await bringTo(fresh, state);
          for (const { family, needed } of natTables(state))
            if (needed) expect(content(kernel, family)).toEqual(content(fresh, family));
          expect(await bringTo(kernel, state)).toBe(0);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("send no element that stays, and none that was not asked for", async () => {
    await fc.assert(
      fc.property(natState, natState, (before, after) => {
        const [olds, news] = [natTables(before), natTables(after)];
        for (const [index, wanted] of news.entries()) {
          const old = olds[index];
          if (old === undefined) continue;
          const image = imageOf(old);
          const commands = diffTable(image, wanted);
          if (commands.some((command) => "add" in command && "set" in command.add)) continue;
          for (const command of commands) {
            const element =
              "add" in command && "element" in command.add
                ? command.add.element
                : "delete" in command && "element" in command.delete
                  ? command.delete.element
                  : undefined;
            if (element === undefined) continue;
            const keys = (table: typeof wanted) => table.sets.find(({ name }) => name === element.name)?.elements;
            const changed = element.elem.map((entry) => span(entry).join("-"));
            const numeric = (table: typeof wanted) =>
              new Set([...(keys(table)?.values() ?? [])].map((i) => `${i.first.toBigInt()}-${i.last.toBigInt()}`));
            const [had, has] = [numeric(old), numeric(wanted)];
            const isAdd = "add" in command;
            for (const key of changed)
              expect([had.has(key), has.has(key)]).toEqual(isAdd ? [false, true] : [true, false]);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  test("give each set exactly the addresses of its prefixes", () => {
    fc.assert(
      fc.property(natState, fc.array(address, { maxLength: 10 }), (state, probes) => {
        for (const table of natTables(state))
          for (const probe of probes) {
            const inSet = (name: string): boolean =>
              [...(table.sets.find((set) => set.name === name)?.elements.values() ?? [])].some(
                ({ first, last }) =>
                  first.family === probe.family && first.compare(probe) <= 0 && probe.compare(last) <= 0,
              );
            const sameFamily = (table.family === "ip" ? 4 : 6) === probe.family;
            const inPool = (pools: NatState["pools"]) =>
              sameFamily && pools.some(({ cidr }) => cidr.containsAddress(probe));
            expect(inSet("all-ipam-pools")).toBe(inPool(state.pools));
            expect(inSet("masq-ipam-pools")).toBe(inPool(state.pools.filter(({ natOutgoing }) => natOutgoing)));
            expect(inSet("all-hosts-net")).toBe(sameFamily && state.nodeAddresses.some((node) => node.equals(probe)));
          }
      }),
      { numRuns: 150 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diffTable } from "../../src/nat/diff.ts";
import { readTable, readTables } from "../../src/nat/listing.ts";
import { type NatState, natTables } from "../../src/nat/ruleset.ts";
import { imageOf, type TableImage, tableName } from "../../src/nat/table.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { NftModel, span } from "../support/nft-model.ts";

/** Neighbours, nested ranges, and both ends of the address space are frequent. */
const ipv4Address = fc
  .tuple(fc.constantFrom(0, 10, 255), fc.constantFrom(0, 1, 255), fc.nat(3))
  .map(([high, middle, low]) => IpAddress.v4(high * 2 ** 24 + middle * 65_536 + (high === 255 ? 65_532 : 0) + low));
const ipv6Address = fc
  .tuple(fc.constantFrom(0, 0xfd000000, 0xffffffff), fc.nat(3))
  .map(([high, low]) =>
    high === 0xffffffff ? IpAddress.v6(high, high, high, high - low) : IpAddress.v6(high, 0, 0, low),
  );
const prefix = fc.oneof(
  fc.tuple(ipv4Address, fc.constantFrom(0, 1, 8, 15, 16, 30, 31, 32)).map(([a, length]) => Prefix.of(a, length)),
  fc.tuple(ipv6Address, fc.constantFrom(0, 1, 8, 126, 127, 128)).map(([a, length]) => Prefix.of(a, length)),
);
const port = fc.integer({ min: 1, max: 65_535 });

const natState: fc.Arbitrary<NatState> = fc.record({
  pools: fc.array(fc.record({ cidr: prefix, natOutgoing: fc.boolean() }), { maxLength: 8 }),
  nodeAddresses: fc.array(fc.oneof(ipv4Address, ipv6Address), { maxLength: 8 }),
  tunnelDevices: fc.subarray([
    { name: "tunl0", family: 4 as const, encapsulation: "ipip" as const },
    { name: "vxlan.calico", family: 4 as const, encapsulation: "vxlan" as const },
  ]),
  options: fc.record(
    {
      natOutgoingExclusions: fc.constantFrom("IPPoolsOnly" as const, "IPPoolsAndHostIPs" as const),
      natPortRange: fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) })),
      natOutgoingAddress: fc.oneof(ipv4Address, ipv6Address),
      outInterfaceFilter: fc.constantFrom("eth0", "eth+"),
      protectEncapsulation: fc.boolean(),
      vxlanPort: fc.constantFrom(4789, 8472, 65_535),
    },
    { requiredKeys: ["natOutgoingExclusions", "protectEncapsulation", "vxlanPort"] },
  ),
});

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
      fc.property(natState, fc.array(fc.oneof(ipv4Address, ipv6Address), { maxLength: 10 }), (state, probes) => {
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

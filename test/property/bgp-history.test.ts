import fc from "fast-check";
import { expect, it } from "vitest";
import type { Path } from "../../src/bgp/paths.ts";
import { attributesOf, peerConfigOf, prefixOf } from "../support/bgp.ts";
import { ScriptedSpeaker } from "../support/scripted-speaker.ts";

const prefixes = ["10.1.0.0/26", "10.1.0.0/16", "0.0.0.0/0", "fd00:1::/64", "fd00:1::7/128"];
const peers = ["peer-1", "peer-2", "peer-3"];

const operation = fc.record({
  peer: fc.nat(peers.length - 1),
  prefix: fc.constantFrom(...prefixes),
  /** Nothing: withdrawn. */
  med: fc.option(fc.nat(3), { nil: undefined }),
  settle: fc.boolean(),
});

const textOf = (prefix: unknown, paths: readonly Path[]) =>
  `${prefix}: ${paths
    .map(({ source, attributes, nextHop, stale, pathId }) =>
      [source.kind === "peer" && source.peer, attributes.med, nextHop?.address, stale, pathId].join(" "),
    )
    .join(", ")}`;

it("the history has the last changes of the choice as they were told, however many there were before", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.array(operation, { maxLength: 60 }),
      async (size, operations) => {
        const speaker = new ScriptedSpeaker({ history: size });
        speaker.core.setPeers(
          peers.map((name, index) =>
            peerConfigOf({ name, address: `10.0.0.${index + 1}`, port: 179 }, { routeReflectorClient: true }),
          ),
        );
        await speaker.core.start();
        for (const name of peers) speaker.session(name).up();
        speaker.settle();
        for (const { peer, prefix, med, settle } of operations) {
          const session = speaker.session(peers[peer] ?? "");
          if (med === undefined) session.withdraw(prefix);
          else session.announce(prefix, attributesOf([], { med, localPref: 100 }));
          if (settle) speaker.settle();
        }
        speaker.settle();
        const told = speaker.changes.map(({ prefix, paths }) => textOf(prefix, paths));
        const kept = speaker.core
          .history({ prefix: prefixOf("0.0.0.0/0") })
          .concat(speaker.core.history({ prefix: prefixOf("::/0") }));
        const texts = kept.flatMap((event) => (event.kind === "best-path" ? [textOf(event.prefix, event.paths)] : []));
        expect(texts.sort()).toEqual(told.slice(-size).sort());
      },
    ),
    { numRuns: 150 },
  );
});

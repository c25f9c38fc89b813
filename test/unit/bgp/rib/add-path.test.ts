import { describe, expect, it } from "vitest";
import type { AddPathSettings, PeerConfig } from "../../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf, via } from "../../../support/bgp.ts";
import type { ScriptedSession } from "../../../support/scripted-session.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const prefix = "10.1.0.0/26";
const learned = (med = 0) => attributesOf([], { localPref: 100, med });

const client = (number: number, addPath?: AddPathSettings): PeerConfig =>
  peerConfigOf(
    { name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 },
    { routeReflectorClient: true, ...(addPath === undefined ? {} : { addPath: { "ipv4-unicast": addPath } }) },
  );

/** A reflector with the clients 1 to 3, and a fourth with these settings. */
async function reflector(addPath: AddPathSettings, prefixesPerTurn = 1000) {
  const speaker = new ScriptedSpeaker({}, prefixesPerTurn);
  speaker.core.setPeers([client(1), client(2), client(3), client(4, addPath)]);
  await speaker.core.start();
  const sessions = [1, 2, 3, 4].map((number) => speaker.session(`peer-${number}`));
  for (const session of sessions) session.up();
  speaker.settle();
  const [one, two, three, listener] = sessions as [ScriptedSession, ScriptedSession, ScriptedSession, ScriptedSession];
  listener.log.length = 0;
  return { speaker, one, two, three, listener };
}

const heard = ({ table }: ScriptedSession) =>
  [...table].map(([key, { attributes, nextHop }]) => `${key} via ${nextHop.address} med ${attributes.med}`).sort();

describe("a peer that takes several paths", () => {
  it("hears of all that are usable, under identifiers that stay while the path is there", async () => {
    const { speaker, one, two, listener } = await reflector({ receive: false, send: "all" });
    one.announce(prefix, learned(1));
    two.announce(prefix, learned(2));
    speaker.settle();
    expect(heard(listener)).toEqual([`${prefix} path 1 via 10.0.0.1 med 1`, `${prefix} path 2 via 10.0.0.2 med 2`]);
    two.announce(prefix, learned(9));
    one.withdraw(prefix);
    speaker.settle();
    expect(heard(listener)).toEqual([`${prefix} path 2 via 10.0.0.2 med 9`]);
    expect(listener.log.slice(2)).toEqual([`+ ${prefix} path 2`, `- ${prefix} path 1`]);
  });

  it("never gets an identifier again that somebody may still know", async () => {
    const { speaker, one, two, listener } = await reflector({ receive: false, send: "all" });
    one.announce(prefix, learned(1));
    two.announce(prefix, learned(2));
    speaker.settle();
    one.withdraw(prefix);
    one.announce(prefix, learned(3));
    speaker.settle();
    expect(heard(listener)).toEqual([`${prefix} path 2 via 10.0.0.2 med 2`, `${prefix} path 3 via 10.0.0.1 med 3`]);
  });

  it("hears of the best ones if that is all we send, and of the new one before the old one goes", async () => {
    const { speaker, one, two, three, listener } = await reflector({ receive: false, send: 2 }, 1);
    one.announce(prefix, learned(1));
    two.announce(prefix, learned(2));
    three.announce(prefix, learned(3));
    speaker.settle();
    expect(heard(listener)).toHaveLength(2);
    listener.log.length = 0;
    three.announce(prefix, learned(0));
    speaker.settle();
    expect(heard(listener)).toEqual([
      `${prefix} path 1 via 10.0.0.1 med 1`,
      expect.stringContaining(" via 10.0.0.3 med 0"),
    ]);
    expect(listener.log).toEqual([expect.stringMatching(/^\+ /), `- ${prefix} path 2`]);
  });

  it("does not get its own path back, and others do not get more than one", async () => {
    const { speaker, one, two, listener } = await reflector({ receive: true, send: "all" });
    listener.announce(prefix, learned(1), via("10.0.0.4"), 7);
    listener.announce(prefix, learned(1), via("10.0.0.5"), 8);
    two.announce(prefix, learned(2));
    speaker.settle();
    expect(heard(listener)).toEqual([expect.stringContaining("via 10.0.0.2 med 2")]);
    expect(heard(one)).toEqual([`${prefix} via 10.0.0.4 med 1`]);
    listener.withdraw(prefix, 7);
    speaker.settle();
    expect(heard(one)).toEqual([`${prefix} via 10.0.0.5 med 1`]);
  });

  it("is told nothing new by a change among paths that it does not hear of", async () => {
    const { speaker, one, two, three, listener } = await reflector({ receive: false, send: 1 });
    one.announce(prefix, learned(1));
    speaker.settle();
    listener.log.length = 0;
    two.announce(prefix, learned(2));
    three.announce(prefix, learned(3));
    speaker.settle();
    expect(listener.log).toEqual([]);
  });

  it("gets all of it again on request, and what is shown as told is what was told", async () => {
    const { speaker, one, two, listener } = await reflector({ receive: false, send: "all" });
    one.announce(prefix, learned(1));
    two.announce(prefix, learned(2));
    speaker.core.updateOriginated([{ prefix: prefixOf("10.9.0.0/26"), attributes: attributesOf() }], []);
    speaker.settle();
    listener.table.clear();
    listener.listener.onRouteRefresh({ type: "route-refresh", afi: 1, safi: 1, subtype: 0 });
    speaker.settle();
    expect(heard(listener)).toHaveLength(3);
    const shown = speaker.core.advertised("peer-4").map((path) => `${path.prefix} path ${path.pathId}`);
    expect(shown.sort()).toEqual([...listener.table.keys()].sort());
    expect(speaker.core.peers().find(({ config }) => config.name === "peer-4")?.advertised).toBe(3);
  });
});

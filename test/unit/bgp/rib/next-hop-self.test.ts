import { expect, test } from "vitest";
import { addressOf, attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const spareNextHops = { "ipv4-unicast": addressOf("10.0.0.99"), "ipv6-unicast": addressOf("fd00::99") };
const both = ["ipv4-unicast", "ipv6-unicast"] as const;

/** What a peer with a session between these addresses hears of a route of each family. */
async function nextHopsOver(remote: string, local: string, ipv4OverIpv6 = false): Promise<(string | undefined)[]> {
  const speaker = new ScriptedSpeaker({ spareNextHops });
  speaker.core.setPeers([peerConfigOf({ name: "peer", address: remote, port: 179 }, { families: both })]);
  await speaker.core.start();
  const attributes = attributesOf();
  const prefixes = ["10.1.0.0/26", "fd00:1::/122"];
  speaker.core.updateOriginated(
    prefixes.map((prefix) => ({ prefix: prefixOf(prefix), attributes })),
    [],
  );
  const session = speaker.session("peer");
  session.up({ families: both, localAddress: addressOf(local), ipv4OverIpv6 });
  speaker.settle();
  return prefixes.map((prefix) => session.table.get(prefix)?.nextHop.address.toString());
}

test("a session for both families names its own address where it can, and our other one for the other family", async () => {
  expect(await nextHopsOver("10.0.0.1", "10.0.0.2")).toEqual(["10.0.0.2", "fd00::99"]);
  expect(await nextHopsOver("fd00::1", "fd00::2")).toEqual(["10.0.0.99", "fd00::2"]);
  expect(await nextHopsOver("fd00::1", "fd00::2", true)).toEqual(["fd00::2", "fd00::2"]);
});

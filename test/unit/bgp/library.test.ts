import { expect, test } from "vitest";
import { Speaker } from "../../../src/bgp/index.ts";

test("a neighbour that cannot be had is refused, and does not stand in the way of others", () => {
  const speaker = new Speaker({ asNumber: 64512, routerId: "10.0.0.1" });
  const names = () => speaker.bgp.peers().map(({ config }) => config.name);
  // node's own sockets cannot do it.
  const refused = { address: "10.0.0.2", asNumber: 64513, transport: { minimumTtl: 255 } };
  expect(() => speaker.addNeighbor(refused)).toThrow(/10\.0\.0\.2/);
  expect(names()).toEqual([]);
  speaker.addNeighbor({ address: "10.0.0.3", asNumber: 64513 });
  speaker.addNeighbor({ address: "10.0.0.4", asNumber: 64513 });
  expect(names()).toEqual(["10.0.0.3", "10.0.0.4"]);
  speaker.removeNeighbor("10.0.0.3");
  speaker.removeNeighbor("10.0.0.9");
  expect(names()).toEqual(["10.0.0.4"]);
});

import { expect, it } from "vitest";
import { select } from "../../../../src/bgp/rib/select.ts";
import { attributesOf, pathOf, peerSource, prefixOf } from "../../../support/bgp.ts";

const paths = ["10.1.0.0/26", "10.2.0.0/26", "10.2.0.64/26", "10.3.0.0/26"].map((prefix) =>
  pathOf(peerSource(1), attributesOf(), { prefix: prefixOf(prefix) }),
);
const chosen = (...selection: Parameters<typeof select> extends [unknown, infer Selection] ? [Selection] : never) =>
  [...select(paths, ...selection)].map(({ prefix }) => prefix.toString());

it("takes all without a wish", () => {
  expect(chosen({})).toHaveLength(4);
});

it("takes what overlaps a prefix, inside or around it", () => {
  expect(chosen({ overlapping: prefixOf("10.2.0.0/16") })).toEqual(["10.2.0.0/26", "10.2.0.64/26"]);
  expect(chosen({ overlapping: prefixOf("10.3.0.7/32") })).toEqual(["10.3.0.0/26"]);
});

it("looks at no more paths than are wanted", () => {
  let looked = 0;
  function* counting() {
    for (const path of paths) {
      looked++;
      yield path;
    }
  }
  expect([...select(counting(), { limit: 2 })]).toHaveLength(2);
  expect(looked).toBe(2);
  expect(chosen({ limit: 0 })).toEqual([]);
  expect(chosen({ overlapping: prefixOf("10.2.0.0/16"), limit: 1 })).toEqual(["10.2.0.0/26"]);
});

import { describe, expect, it } from "vitest";
import { didYouMean, nearestName } from "../../../src/core/nearest-name.ts";

describe("nearestName", () => {
  const known = ["ippool", "bgppeer", "bgpconfiguration", "node"];

  it("finds the name that a typing mistake means", () => {
    expect(nearestName("ipool", known)).toBe("ippool");
    expect(nearestName("bgpcofniguration", known)).toBe("bgpconfiguration");
  });

  it("takes no notice of case", () => {
    expect(nearestName("BGPPeers", known)).toBe("bgppeer");
  });

  it("says nothing rather than something far-fetched", () => {
    expect(nearestName("secret", known)).toBeUndefined();
    expect(didYouMean("secret", known)).toBe("");
  });
});

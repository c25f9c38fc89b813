import { describe, expect, test } from "vitest";
import { withPeerOptions } from "../../../../src/agent/peering/peer-options.ts";
import { peerConfigOf } from "../../../support/bgp.ts";

const config = peerConfigOf(
  { name: "tor", address: "10.0.0.1", port: 179 },
  {
    families: ["ipv4-unicast"],
    addPath: { "ipv4-unicast": { receive: true, send: "all" } },
    treatment: { honourBlackhole: true },
  },
);

describe("options of a resource", () => {
  test("leave a session as it is where there are none", () => {
    expect(withPeerOptions(config, {}, 64512)).toEqual(config);
  });

  test("for each family are for all families of the session", () => {
    const families = ["ipv4-unicast", "ipv6-unicast"] as const;
    const limit = { limit: 5, action: "warn" } as const;
    expect(withPeerOptions(config, { families, maxPrefix: limit }, 64512)).toMatchObject({
      families,
      addPath: { "ipv4-unicast": { send: "all" }, "ipv6-unicast": { send: "all" } },
      maxPrefix: { "ipv4-unicast": limit, "ipv6-unicast": limit },
    });
    expect(withPeerOptions(config, { maxPrefix: limit }, 64512).maxPrefix).toEqual({ "ipv4-unicast": limit });
  });

  test("can take ADD-PATH away", () => {
    expect(withPeerOptions(config, { addPath: false }, 64512)).not.toHaveProperty("addPath");
  });

  test("add to the treatment that all sessions have, and know our real AS number", () => {
    const localAs = { prependReceived: true, replaceReal: false };
    expect(withPeerOptions(config, { treatment: { asOverride: true }, localAs }, 64512).treatment).toEqual({
      honourBlackhole: true,
      asOverride: true,
      localAs: { ...localAs, realAs: 64512 },
    });
  });
});

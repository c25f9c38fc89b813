import { describe, expect, test } from "vitest";
import { negotiate } from "../../../src/bgp/fsm/negotiate.ts";
import { buildOpen } from "../../../src/bgp/fsm/offer.ts";
import { type BgpRole, bgpRoles } from "../../../src/bgp/packet/capability.ts";
import type { PeerConfig } from "../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf } from "../../support/bgp.ts";
import { ScriptedSpeaker } from "../../support/scripted-speaker.ts";
import { localAddress, notRestarting, peerConfig } from "./fsm/support.ts";

/** What becomes of a session of these two roles; each a number too, for what is not assigned. */
function meet(ours: PeerConfig["role"], ...theirs: number[]): string {
  const config = peerConfig({ localAs: 64512, remoteAs: 65001, ...(ours === undefined ? {} : { role: ours }) });
  const own = buildOpen(config, 1, notRestarting);
  const open = buildOpen(peerConfig({ localAs: 65001, remoteAs: 64512 }), 2, notRestarting);
  const roles = theirs.map((value) => ({ kind: "role" as const, value }));
  const result = negotiate(config, localAddress, own, { ...open, capabilities: [...open.capabilities, ...roles] });
  return result.ok ? "session" : `${result.error.code}/${result.error.subcode} ${result.error.reason}`;
}

const numberOf = (role: BgpRole) => bgpRoles.indexOf(role);

describe("the roles of two sides", () => {
  test("go together in four pairs and in no other", () => {
    const pairs = bgpRoles.flatMap((ours) =>
      bgpRoles
        .filter((theirs) => meet({ local: ours }, numberOf(theirs)) === "session")
        .map((theirs) => `${ours}-${theirs}`),
    );
    expect(pairs).toEqual([
      "provider-customer",
      "route-server-route-server-client",
      "route-server-client-route-server",
      "customer-provider",
      "peer-peer",
    ]);
  });

  test("that do not go together, are not assigned or contradict each other are refused with 2/11", () => {
    expect(meet({ local: "provider" }, numberOf("peer"))).toBe(
      "2/11 the peer's role is peer, which does not go with ours, provider",
    );
    expect(meet({ local: "provider" }, 9)).toMatch(/^2\/11 the peer's role is 9/);
    expect(meet({ local: "provider" }, 3, 4)).toBe("2/11 the peer has several roles: customer, peer");
    expect(meet({ local: "provider" }, 3, 3)).toBe("session");
  });

  test("may be missing on the other side, unless we are strict, and do not matter if we have none", () => {
    expect(meet({ local: "provider" })).toBe("session");
    expect(meet({ local: "provider", strict: true })).toBe("2/11 the peer has no role, and ours is provider");
    expect(meet(undefined, numberOf("peer"))).toBe("session");
  });

  test("are offered to eBGP peers only", () => {
    const kinds = (config: Partial<PeerConfig>) =>
      buildOpen(peerConfig({ role: { local: "customer" }, ...config }), 1, notRestarting).capabilities;
    expect(kinds({ remoteAs: 65001 })).toContainEqual({ kind: "role", value: 3 });
    expect(kinds({}).some(({ kind }) => kind === "role")).toBe(false);
  });
});

const prefix = "10.1.0.0/26";

/** A speaker of AS 64512 to which AS 65001 announces a route; what it makes of the OTC of that route. */
async function received(ours: BgpRole, onlyToCustomer?: number): Promise<string> {
  const speaker = new ScriptedSpeaker();
  speaker.core.setPeers([
    peerConfigOf({ name: "a", address: "10.0.0.1", port: 179 }, { remoteAs: 65001, role: { local: ours } }),
  ]);
  await speaker.core.start();
  speaker.session("a").up();
  speaker.session("a").announce(prefix, attributesOf([65001], onlyToCustomer === undefined ? {} : { onlyToCustomer }));
  speaker.settle();
  const [explained] = speaker.core.explain(prefixOf(prefix));
  return explained?.lostBy ?? String(explained?.path.attributes.onlyToCustomer);
}

/** The OTC with which a peer of ours hears of a route, or why it does not. */
async function told(ours: BgpRole, onlyToCustomer: number | undefined, remoteAs = 65002): Promise<string> {
  const speaker = new ScriptedSpeaker();
  speaker.core.setPeers([
    peerConfigOf({ name: "b", address: "10.0.0.2", port: 179 }, { remoteAs, role: { local: ours } }),
  ]);
  await speaker.core.start();
  const session = speaker.session("b");
  session.up();
  const attributes = attributesOf([], onlyToCustomer === undefined ? {} : { onlyToCustomer });
  speaker.core.updateOriginated([{ prefix: prefixOf(prefix), attributes }], []);
  speaker.settle();
  const route = session.table.get(prefix);
  return route === undefined ? "withheld" : String(route.attributes.onlyToCustomer);
}

describe("a route that comes in", () => {
  test.each([
    ["provider", undefined, "undefined"],
    ["provider", 65001, "route leak: OTC of AS 65001 in a route from a customer"],
    ["route-server", undefined, "undefined"],
    ["route-server", 65001, "route leak: OTC of AS 65001 in a route from a route-server-client"],
    ["peer", undefined, "65001"],
    ["peer", 65001, "65001"],
    ["peer", 65009, "route leak: OTC of AS 65009 in a route from the peer AS 65001"],
    ["customer", undefined, "65001"],
    ["customer", 65009, "65009"],
    ["route-server-client", undefined, "65001"],
    ["route-server-client", 65009, "65009"],
  ] as const)("to a %s with OTC %s: %s", async (role, onlyToCustomer, outcome) => {
    expect(await received(role, onlyToCustomer)).toBe(outcome);
  });
});

describe("a route that goes out", () => {
  test.each([
    ["provider", undefined, "64512"],
    ["provider", 65009, "65009"],
    ["route-server", undefined, "64512"],
    ["route-server", 65009, "65009"],
    ["peer", undefined, "64512"],
    ["peer", 65009, "withheld"],
    ["customer", undefined, "undefined"],
    ["customer", 65009, "withheld"],
    ["route-server-client", undefined, "undefined"],
    ["route-server-client", 65009, "withheld"],
  ] as const)("from a %s with OTC %s: %s", async (role, onlyToCustomer, outcome) => {
    expect(await told(role, onlyToCustomer)).toBe(outcome);
  });

  test("to an iBGP peer keeps its OTC whatever role is configured", async () => {
    expect(await told("customer", 65009, 64512)).toBe("65009");
    expect(await told("provider", undefined, 64512)).toBe("undefined");
  });
});

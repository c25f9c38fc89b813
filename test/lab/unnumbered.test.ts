import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { PeerConfig, PeerRange } from "../../src/bgp/types.ts";
import { Secret } from "../../src/core/secret.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { SpeakerNode } from "../interop/support/speaker-node.ts";
import { attributesOf, peerConfigOf } from "../support/bgp.ts";
import { TestNamespace } from "../support/network-namespace.ts";

const patient = { timeout: 20_000, interval: 50 };

/** The device of the link, which has the same name on both sides. */
const device = "link0";
const linkLocal = Prefix.parse("fe80::/10");

const transport = { device, minimumTtl: 255, key: { kind: "md5", password: new Secret("of the link") } } as const;

async function addressOn(namespace: TestNamespace): Promise<IpAddress> {
  return vi.waitFor(async () => {
    const [link] = (await namespace.json(`-6 addr show dev ${device} scope link`)) as {
      addr_info: { local: string; tentative?: boolean }[];
    }[];
    const [address] = link?.addr_info ?? [];
    expect(address?.tentative).toBeUndefined();
    return IpAddress.parse(address?.local ?? "");
  }, patient);
}

describe("two speakers on a link without addresses of their own", () => {
  const spaces: TestNamespace[] = [];
  const speakers: SpeakerNode[] = [];
  const folder = mkdtempSync(join(tmpdir(), "calibird-unnumbered-"));
  let dialler: SpeakerNode;
  let acceptor: SpeakerNode;
  let here: IpAddress;
  let there: IpAddress;

  beforeAll(async () => {
    const left = new TestNamespace("left");
    spaces.push(left);
    const right = new TestNamespace("right");
    spaces.push(right);
    await left.ip(`link add ${device} type veth peer name ${device} netns ${right.name}`);
    for (const space of spaces) for (const link of ["lo", device]) await space.ip(`link set dev ${link} up`);
    [here, there] = await Promise.all([addressOn(left), addressOn(right)]);
    dialler = await SpeakerNode.start(left.name, join(folder, "left.log"), "10.0.0.1", [], {});
    speakers.push(dialler);
    acceptor = await SpeakerNode.start(right.name, join(folder, "right.log"), "10.0.0.2", [], {});
    speakers.push(acceptor);
  });
  afterAll(async () => {
    for (const speaker of speakers) await speaker.kill();
    for (const space of spaces) space.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const peer = (others: Partial<PeerConfig>): PeerConfig =>
    peerConfigOf(
      { name: "neighbour", address: there.toString(), port: 179 },
      { localAs: 65001, remoteAs: 65002, families: ["ipv6-unicast"], transport, ...others },
    );

  /** What the acceptor knows: the link, and nobody on it. */
  function range(others: Partial<PeerRange> = {}): PeerRange {
    const {
      name: _name,
      address: _address,
      port: _port,
      remoteAs: _as,
      passive: _passive,
      ...template
    } = peer({
      localAs: 65002,
    });
    return {
      name: device,
      prefix: linkLocal,
      remoteAs: [{ first: 65001, last: 65001 }],
      limit: 1,
      template,
      ...others,
    };
  }

  it("have a session over their link-local addresses, with a password and TTL security", async () => {
    await acceptor.setPeerRanges(range());
    await dialler.setPeers(peer({}));
    await vi.waitFor(async () => expect((await dialler.peer("neighbour")).state).toBe("Established"), patient);
    const guest = await acceptor.peer(`${device}/${here}`);
    expect(guest).toMatchObject({ state: "Established", config: { range: device, passive: true, remoteAs: 65001 } });
    expect(guest.negotiated?.localAddress.equals(there)).toBe(true);
  });

  it("exchange routes", async () => {
    const prefix = Prefix.parse("2001:db8:1::/48");
    await dialler.originate([{ prefix, attributes: attributesOf() }]);
    await vi.waitFor(async () => expect(await acceptor.received(`${device}/${here}`)).toHaveLength(1), patient);
  });

  it("keep out who is on another link", async () => {
    await acceptor.setPeerRanges(range({ template: { ...range().template, transport: { device: "lo" } } }));
    await vi.waitFor(async () => expect((await dialler.peer("neighbour")).state).not.toBe("Established"), patient);
    expect(await acceptor.peers()).toEqual([]);
  });
});

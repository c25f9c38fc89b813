import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { listenerKeys } from "../../../../src/bgp/session/key-ranges.ts";
import { BgpListener } from "../../../../src/bgp/session/listener.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { Secret } from "../../../../src/core/secret.ts";
import type { TcpKey } from "../../../../src/core/tcp.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { nativeSockets } from "../../../../src/sys/tcp/native-sockets.ts";
import { kernelHasMd5 } from "../../../support/kernel-features.ts";
import { peerConfig } from "../fsm/support.ts";

const md5 = (password: string): TcpKey => ({ kind: "md5", password: new Secret(password) });

function peer(address: IpAddress, password: string | undefined): PeerConfig {
  return peerConfig({ address, ...(password !== undefined && { transport: { key: md5(password) } }) });
}

/** Password by prefix. */
const passwords = (peers: readonly PeerConfig[]): Record<string, string> =>
  Object.fromEntries([...listenerKeys(peers, [])].map(([name, { key }]) => [name, key.password.reveal()]));

const mesh = (count: number, password = "mesh") =>
  Array.from({ length: count }, (_, index) => peer(IpAddress.v4(0x0a000000 + index), password));

describe("passwords of a listening socket", () => {
  test("stand one by one while there are few", () => {
    expect(Object.keys(passwords(mesh(100)))).toHaveLength(100);
    expect(passwords([peer(IpAddress.parse("fd00::1"), "six"), ...mesh(1)])).toEqual({
      "10.0.0.0/32": "mesh",
      "fd00::1/128": "six",
    });
  });

  test("of many neighbours share an entry", () => {
    expect(passwords(mesh(256))).toEqual({ "10.0.0.0/24": "mesh" });
  });

  test("leave out neighbours that have another one, or none", () => {
    const peers = mesh(256);
    peers[128] = peer(IpAddress.parse("10.0.0.128"), undefined);
    peers[255] = peer(IpAddress.parse("10.0.0.255"), "tor");
    const found = passwords(peers);
    expect(found).toMatchObject({ "10.0.0.0/25": "mesh", "10.0.0.255/32": "tor", "10.0.0.254/32": "mesh" });
    expect(
      Object.keys(found).every((prefix) => !Prefix.parse(prefix).containsAddress(IpAddress.parse("10.0.0.128"))),
    ).toBe(true);
  });

  test("are always each peer's own by the longest prefix", () => {
    const word = fc.constantFrom(undefined, "a", "b");
    const drafts = fc.uniqueArray(fc.tuple(fc.nat(4095), word), {
      selector: ([host]) => host,
      minLength: 101,
      maxLength: 400,
    });
    fc.assert(
      fc.property(drafts, (hosts) => {
        const peers = hosts.map(([host, password]) => peer(IpAddress.v4(0x0a000000 + host), password));
        const entries = [...listenerKeys(peers, [])].map(([name, { key }]) => ({ prefix: Prefix.parse(name), key }));
        for (const { address, transport } of peers) {
          const [best] = entries
            .filter(({ prefix }) => prefix.containsAddress(address))
            .sort((left, right) => right.prefix.length - left.prefix.length);
          expect(best?.key.password.reveal()).toBe(transport?.key?.password.reveal());
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe.skipIf(!kernelHasMd5)("the kernel", () => {
  const listeners: BgpListener[] = [];
  afterEach(() => {
    for (const listener of listeners.splice(0)) listener.close();
  });

  test("takes the passwords of 5000 peers, and lets those without one in", async () => {
    const complaints: string[] = [];
    const listener = new BgpListener({
      sockets: nativeSockets,
      clock: systemClock,
      logger: { ...silentLogger, error: (_fields, message) => complaints.push(message) },
      onConnection: (_remote, socket) => {
        socket.destroy();
        return true;
      },
    });
    listeners.push(listener);
    await listener.listen({ addresses: [], port: 0 });
    const peers = Array.from({ length: 5000 }, (_, index) =>
      peer(IpAddress.v4(0x7f140000 + index), index === 2500 ? undefined : "mesh"),
    );
    listener.setKeys(listenerKeys(peers, []));
    expect(complaints).toEqual([]);
    const dial = async (index: number, key?: TcpKey) => {
      const localAddress = IpAddress.v4(0x7f140000 + index).toString();
      const options = key === undefined ? { userTimeoutMs: 300 } : { key };
      const request = { address: "127.0.0.1", port: listener.port ?? 0, localAddress, options };
      (await nativeSockets.dial(request, new AbortController().signal)).destroy();
    };
    await dial(1234, md5("mesh"));
    await dial(2500);
    await expect(dial(4999)).rejects.toMatchObject({ code: "ETIMEDOUT" });
  });
});

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { Secret } from "../../../src/core/secret.ts";
import type { TcpKey, TcpListener, TcpOptions } from "../../../src/core/tcp.ts";
import { nativeSockets } from "../../../src/sys/tcp/native-sockets.ts";
import { echoTo, TcpEnd } from "../../support/tcp-ends.ts";
import type { Scenario } from "../guest/scenario.ts";

/** The kernel gives up a SYN that stays without an answer after its first repetition. */
const impatient = { userTimeoutMs: 300 };

function ao(password: string, others: Partial<Extract<TcpKey, { kind: "ao" }>> = {}): TcpKey {
  const algorithm = "hmac-sha-1-96";
  return { kind: "ao", algorithm, password: new Secret(password), sendId: 1, receiveId: 1, ...others };
}

/** A listener on both families that echoes. */
async function echo(): Promise<TcpListener> {
  return nativeSockets.listen({
    port: 0,
    backlog: 16,
    onConnection: (connection) => {
      nativeSockets.prepare(connection, {});
      echoTo(connection);
    },
    onError: () => {},
  });
}

async function dial(port: number, options: TcpOptions, address = "127.0.0.1"): Promise<TcpEnd> {
  return new TcpEnd(await nativeSockets.dial({ address, port, options }, new AbortController().signal));
}

async function echoes(end: TcpEnd): Promise<boolean> {
  return (await end.says("hello")) === "hello";
}

const gaveUp = { code: "ETIMEDOUT" };

/** True if this kernel can do it; else what says so is checked. */
function hasKernelSupport(note: (text: string) => void): boolean {
  const refusal = nativeSockets.refusal({ key: ao("any") });
  if (refusal === undefined) return true;
  note(refusal);
  assert.equal(refusal, "this kernel has no TCP-AO (RFC 5925): it needs Linux 6.7 with CONFIG_TCP_AO");
  return false;
}

/** Kernels without TCP-AO, such as Debian's 6.1, show the refusal instead. */
export const scenario: Scenario<undefined> = {
  start: async () => {
    execFileSync("ip", ["link", "set", "dev", "lo", "up"]);
    return undefined;
  },
  checks: {
    "a listener lets in who has the key, over both families, and nobody else": async (_world, note) => {
      if (!hasKernelSupport(note)) return;
      const listener = await echo();
      listener.setKey({ address: "127.0.0.0", prefixLength: 8 }, ao("right"));
      listener.setKey({ address: "::1" }, ao("six", { algorithm: "aes-128-cmac-96" }));
      assert.ok(await echoes(await dial(listener.port, { key: ao("right") })));
      assert.ok(await echoes(await dial(listener.port, { key: ao("six", { algorithm: "aes-128-cmac-96" }) }, "::1")));
      await assert.rejects(dial(listener.port, { key: ao("wrong"), ...impatient }), gaveUp);
      await assert.rejects(dial(listener.port, { key: ao("right", { sendId: 2 }), ...impatient }), gaveUp);
      await assert.rejects(dial(listener.port, impatient), gaveUp);
      listener.close();
    },
    "the identifiers of both sides are the other way round": async (_world, note) => {
      if (!hasKernelSupport(note)) return;
      const listener = await echo();
      listener.setKey({ address: "127.0.0.1" }, ao("right", { sendId: 7, receiveId: 9 }));
      assert.ok(await echoes(await dial(listener.port, { key: ao("right", { sendId: 9, receiveId: 7 }) })));
      listener.close();
    },
    "a key can be exchanged and taken off while connections live on": async (_world, note) => {
      if (!hasKernelSupport(note)) return;
      const listener = await echo();
      listener.setKey({ address: "127.0.0.1" }, ao("one"));
      const live = await dial(listener.port, { key: ao("one") });
      assert.ok(await echoes(live));
      listener.setKey({ address: "127.0.0.1" }, ao("two"));
      assert.ok(await echoes(await dial(listener.port, { key: ao("two") })));
      await assert.rejects(dial(listener.port, { key: ao("one"), ...impatient }), gaveUp);
      listener.setKey({ address: "127.0.0.1" }, { kind: "md5", password: new Secret("three") });
      assert.ok(await echoes(await dial(listener.port, { key: { kind: "md5", password: new Secret("three") } })));
      listener.setKey({ address: "127.0.0.1" }, undefined);
      assert.ok(await echoes(await dial(listener.port, {})));
      assert.ok(await echoes(live));
      listener.close();
    },
  },
};

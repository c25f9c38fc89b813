import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import * as library from "../../../src/bgp/index.ts";
import { freePort, freshAddress } from "../../support/speakers.ts";

const { Prefix, Speaker } = library;
const text = readFileSync(new URL("../../../docs/bgp-library.md", import.meta.url), "utf8");
const examples = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");

const speakers: library.Speaker[] = [];
afterEach(() => Promise.all(speakers.splice(0).map((speaker) => speaker.stop())));

/** Loopback addresses are no next hops. */
const nextHopOf = (address: string) => ({ ownNextHops: { "ipv4-unicast": library.IpAddress.parse(address) } });

type Example = (...parts: unknown[]) => Promise<library.Speaker>;

/** The example as a function of what it needs; `import` is what the caller passes. */
function compile(source: string, ...parameters: string[]): Example {
  const body = source.replace(/^import .*\n/m, "");
  const AsyncFunction = (async () => {}).constructor as new (...source: string[]) => Example;
  return new AsyncFunction(...parameters, `${body}\nreturn speaker;`);
}

describe("docs/bgp-library.md", () => {
  it("has a first example that announces and receives a route in ten statements' worth of lines", async () => {
    const [port, otherPort] = [await freePort(), await freePort()];
    const [own, neighbor] = [freshAddress(), freshAddress()];
    const heard: string[] = [];
    const other = new Speaker({
      asNumber: 64513,
      routerId: "10.0.0.2",
      options: nextHopOf("10.0.0.2"),
      listen: { addresses: [neighbor], port: otherPort },
      onRoutes: (changes) =>
        heard.push(...changes.map(({ prefix, paths }) => `${prefix} ${paths[0]?.attributes.communities}`)),
    });
    speakers.push(other);
    other.addNeighbor({ address: own, asNumber: 64512, localAddress: neighbor, passive: true });
    other.announce("198.51.100.0/24");
    await other.start();
    const [first = ""] = examples;
    expect(first).toContain('import { Speaker } from "calibird/bgp";');
    expect(first.trim().split("\n").length).toBeLessThan(17);
    // On loopback, where nobody has 10.0.0.2 and port 179.
    const local = first
      .replace(
        'routerId: "10.0.0.1",',
        `routerId: "10.0.0.1", listen: { addresses: ["${own}"], port: ${port} }, options,`,
      )
      .replace(
        '"10.0.0.2", asNumber: 64513',
        `"${neighbor}", asNumber: 64513, port: ${otherPort}, localAddress: "${own}"`,
      );
    const lines: string[] = [];
    const console = { log: (line: string) => lines.push(line) };
    const speaker = await compile(local, "Speaker", "console", "options")(Speaker, console, nextHopOf("10.0.0.1"));
    speakers.push(speaker);
    await vi.waitFor(() => expect(lines).toContain("198.51.100.0/24 via 10.0.0.2"), { timeout: 15_000 });
    await vi.waitFor(() => expect(heard).toContain(`192.0.2.0/24 ${64512 * 65536 + 100}`), { timeout: 15_000 });
    speaker.withdraw("192.0.2.0/24");
    await vi.waitFor(() => expect(heard).toContain("192.0.2.0/24 undefined"), { timeout: 15_000 });
    expect(lines).toEqual(["198.51.100.0/24 via 10.0.0.2"]);
    // An own route takes the place of the learned one, and gives it back.
    speaker.announce("198.51.100.0/24");
    await vi.waitFor(() => expect(lines.at(-1)).toBe("198.51.100.0/24 via nobody"), { timeout: 15_000 });
    speaker.withdraw("198.51.100.0/24");
    await vi.waitFor(() => expect(lines.at(-1)).toBe("198.51.100.0/24 via 10.0.0.2"), { timeout: 15_000 });
    speaker.removeNeighbor(neighbor);
    await vi.waitFor(() => expect(other.bgp.peers()[0]?.lastReason?.text).toContain("Peer De-configured"), {
      timeout: 15_000,
    });
  });

  it("has further examples that work on a speaker", async () => {
    const [, neighbour = "", questions = ""] = examples;
    const speaker = new Speaker({ asNumber: 64512, routerId: "10.0.0.1", options: { history: 10 } });
    await compile(neighbour, "speaker", "Prefix")(speaker, Prefix);
    expect(speaker.bgp.peers()[0]?.config).toMatchObject({
      name: "10.0.0.2",
      maxPrefix: { "ipv4-unicast": { limit: 1000 } },
    });
    await compile(questions, "speaker", "Prefix")(speaker, Prefix);
    expect(examples).toHaveLength(3);
  });

  it("says what is wrong with an address or prefix", () => {
    const speaker = new Speaker({ asNumber: 64512, routerId: "10.0.0.1" });
    expect(() => speaker.announce("192.0.2.0/33")).toThrow(library.CalibirdError);
    expect(() => speaker.addNeighbor({ address: "tor", asNumber: 1 })).toThrow(library.CalibirdError);
    expect(() => new Speaker({ asNumber: 64512, routerId: "one" })).toThrow(library.CalibirdError);
  });
});

it("package.json exports the library", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  expect(exports["./bgp"]).toEqual({ types: "./dist/bgp/index.d.ts", default: "./dist/bgp/index.js" });
});

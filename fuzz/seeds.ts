import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeKeepalive } from "../src/bgp/packet/keepalive.ts";
import { encodeNotification } from "../src/bgp/packet/notification.ts";
import { encodeOpen } from "../src/bgp/packet/open.ts";
import { encodeRouteRefresh } from "../src/bgp/packet/route-refresh.ts";

/** What every run begins with: the messages that have hurt other daemons, one of each kind, and what earlier runs found. */
export function readSeeds(root: string): Uint8Array[] {
  const { cases } = JSON.parse(readFileSync(join(root, "test/vectors/bgp-vectors.json"), "utf8"));
  const known: Uint8Array[] = cases.map(({ hex }: { hex: string }) => fromHex(hex));
  return [...known.filter(({ length }) => length >= 19), ...examples(), ...readCorpus(root)];
}

function corpusFolder(root: string): string {
  return join(root, "fuzz", "corpus");
}

/** Adds messages to the corpus; each is a line of the file of its kind. */
export function writeCorpus(root: string, found: ReadonlyMap<string, Uint8Array>): void {
  const folder = corpusFolder(root);
  mkdirSync(folder, { recursive: true });
  const byFile = new Map<string, string[]>();
  for (const [signature, octets] of found) {
    const file = `${signature.split("/")[0] ?? "other"}.hex`;
    byFile.set(file, [...(byFile.get(file) ?? []), Buffer.from(octets).toString("hex")]);
  }
  for (const [file, lines] of byFile) {
    const path = join(folder, file);
    const before = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
    writeFileSync(path, `${[...new Set([...before, ...lines])].sort().join("\n")}\n`);
  }
}

function readCorpus(root: string): Uint8Array[] {
  const folder = corpusFolder(root);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".hex"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean).map(fromHex));
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.trim(), "hex"));
}

function examples(): Uint8Array[] {
  const ipv4 = { afi: 1, safi: 1 };
  return [
    encodeKeepalive(),
    encodeNotification({ code: 6, subcode: 2, data: Uint8Array.of(3, 98, 121, 101) }),
    encodeRouteRefresh({ ...ipv4, subtype: 0 }),
    encodeOpen({
      version: 4,
      myAs: 23456,
      holdTimeSec: 90,
      bgpIdentifier: 0x0a000002,
      capabilities: [
        { kind: "multiprotocol", ...ipv4 },
        { kind: "multiprotocol", afi: 2, safi: 1 },
        { kind: "four-octet-as", asNumber: 4_200_000_000 },
        { kind: "route-refresh" },
        { kind: "add-path", families: [{ ...ipv4, mode: "both" }] },
        { kind: "extended-message" },
        {
          kind: "graceful-restart",
          restarting: true,
          notification: true,
          restartTimeSec: 120,
          families: [{ ...ipv4, forwardingPreserved: true }],
        },
      ],
    }),
  ];
}

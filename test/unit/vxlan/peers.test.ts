import { expect, test } from "vitest";
import { silentLogger } from "../../../src/core/logger.ts";
import { IpAddress } from "../../../src/net/address.ts";
import type { ForwardingEntry, Neighbour } from "../../../src/netlink/types.ts";
import { PeerTable, reachableAddresses, type VxlanPeer, vxlanGateway } from "../../../src/vxlan/peers.ts";

const address = (text: string): IpAddress => IpAddress.parse(text);
const interfaceIndex = 4;
const mac = (last: number): string => `66:00:00:00:00:0${last}`;
const peer = (last: number): VxlanPeer => ({
  vtep: address(`10.65.${last}.0`),
  macAddress: mac(last),
  address: address(`172.17.0.${last}`),
});
const neighbour = (last: number, fields: Partial<Neighbour> = {}): Neighbour => ({
  interfaceIndex,
  address: address(`10.65.${last}.0`),
  macAddress: mac(last),
  state: "permanent",
  ...fields,
});
const entry = (last: number, fields: Partial<ForwardingEntry> = {}): ForwardingEntry => ({
  interfaceIndex,
  macAddress: mac(last),
  destination: address(`172.17.0.${last}`),
  permanent: true,
  ...fields,
});

function operations(peers: readonly VxlanPeer[], neighbours: Neighbour[], forwarding: ForwardingEntry[]): string[] {
  return new PeerTable(peers, silentLogger).plan(interfaceIndex, 4, { neighbours, forwarding }).map((step) => {
    if (!("request" in step)) throw new TypeError("peers need requests only");
    const { request } = step;
    if (request.op === "neighbour-replace") return `${request.op} ${request.neighbour.address}`;
    if (request.op === "neighbour-delete") return `${request.op} ${request.neighbour.address}`;
    if (request.op === "forwarding-replace") return `${request.op} ${request.entry.destination}`;
    return request.op === "forwarding-delete" ? `${request.op} ${request.entry.macAddress}` : request.op;
  });
}

test("a peer that is complete needs nothing", () => {
  expect(operations([peer(1), peer(2)], [neighbour(1), neighbour(2)], [entry(1), entry(2)])).toEqual([]);
});

test("a new peer gets its neighbour first and then its forwarding entry", () => {
  expect(operations([peer(1)], [], [])).toEqual(["neighbour-replace 10.65.1.0", "forwarding-replace 172.17.0.1"]);
});

test("a peer that has moved is led to its new address", () => {
  expect(operations([peer(1)], [neighbour(1)], [entry(1, { destination: address("172.17.0.9") })])).toEqual([
    "forwarding-replace 172.17.0.1",
  ]);
});

test("a peer that has gone takes both entries with it", () => {
  expect(operations([peer(1)], [neighbour(1), neighbour(2)], [entry(1), entry(2)])).toEqual([
    "neighbour-delete 10.65.2.0",
    "forwarding-delete 66:00:00:00:00:02",
  ]);
});

test("what the kernel has learned is left alone, and made permanent if a peer needs it", () => {
  const learned = [neighbour(2, { state: "stale" }), neighbour(1, { state: "reachable" })];
  const dynamic = [entry(2, { permanent: false }), entry(1, { permanent: false })];
  expect(operations([peer(1)], learned, dynamic)).toEqual([
    "neighbour-replace 10.65.1.0",
    "forwarding-replace 172.17.0.1",
  ]);
});

test("the case of a MAC address makes no difference", () => {
  const shouting = { ...peer(1), macAddress: "66:00:00:00:00:0A" };
  const kept = { macAddress: "66:00:00:00:00:0a" };
  expect(operations([shouting], [neighbour(1, kept)], [entry(1, kept)])).toEqual([]);
});

test("of two nodes with one tunnel address the first counts, and the log names both", () => {
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => warnings.push(fields) };
  const table = new PeerTable([peer(1), { ...peer(2), vtep: peer(1).vtep }], logger);
  expect(table.plan(interfaceIndex, 4, { neighbours: [neighbour(1)], forwarding: [entry(1)] })).toEqual([]);
  expect(warnings).toMatchObject([{ vtep: "10.65.1.0", nodes: ["172.17.0.1", "172.17.0.2"] }]);
});

test("an IPv6 peer has a neighbour for its gateway, too, which is its link-local address", () => {
  const peer6: VxlanPeer = {
    vtep: address("fd00:65::1"),
    macAddress: "66:48:F6:56:DC:F1",
    address: address("fd00::1"),
  };
  expect(vxlanGateway(peer6).toString()).toBe("fe80::6448:f6ff:fe56:dcf1");
  const stranger: Neighbour = {
    interfaceIndex,
    address: address("fd00:65::9"),
    macAddress: mac(9),
    state: "permanent",
  };
  const steps = new PeerTable([peer6], silentLogger).plan(interfaceIndex, 6, {
    neighbours: [stranger],
    forwarding: [],
  });
  const macAddress = "66:48:f6:56:dc:f1";
  const added = (text: string) => ({
    request: {
      op: "neighbour-replace",
      neighbour: { interfaceIndex, address: address(text), macAddress, state: "permanent" },
    },
  });
  expect(steps).toEqual([
    added("fd00:65::1"),
    added("fe80::6448:f6ff:fe56:dcf1"),
    { request: { op: "forwarding-replace", entry: { interfaceIndex, macAddress, destination: peer6.address } } },
    { request: { op: "neighbour-delete", neighbour: { interfaceIndex, address: stranger.address } } },
  ]);
});

test("a VTEP is reachable when both its entries are there", () => {
  const neighbours = [neighbour(1), neighbour(2), neighbour(3, { state: "stale" })];
  expect(reachableAddresses(neighbours, [entry(1), entry(3)])).toEqual(new Set(["10.65.1.0"]));
});

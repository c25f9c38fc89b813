import fc from "fast-check";
import { expect, test } from "vitest";
import { Prefix } from "../../src/net/prefix.ts";
import type { EntityRule, PolicyRule } from "../../src/resources/policy/rule.ts";
import { readResource } from "../../src/resources/resource.ts";

const nets = fc.uniqueArray(fc.constantFrom("10.0.0.0/8", "192.0.2.0/24", "fd00::/8", "2001:db8::/32"), {
  minLength: 1,
  maxLength: 2,
});
const ports = fc.uniqueArray(fc.constantFrom(80, "8000:8080", "metrics"), { minLength: 1 });
const selector = fc.constantFrom("a == 'b'", "has(c)");
const orAbsent = <Value>(weight: number, arbitrary: fc.Arbitrary<Value>) =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const often = <Value>(value: fc.Arbitrary<Value>) => orAbsent(1, value);
const seldom = <Value>(value: fc.Arbitrary<Value>) => orAbsent(12, value);

/** Without the fields that are undefined, as JSON has it. */
const plain = <Value>(value: Value) => JSON.parse(JSON.stringify(value)) as Value;

const entity = fc.record({
  nets: seldom(nets),
  notNets: seldom(nets),
  selector: seldom(selector),
  notSelector: seldom(selector),
  namespaceSelector: seldom(fc.constantFrom("global()", "a == 'b'")),
  services: seldom(fc.record({ name: seldom(fc.constant("web")), namespace: often(fc.constant("shop")) })),
  ports: seldom(ports),
  notPorts: seldom(ports),
  serviceAccounts: seldom(fc.constant({ names: ["a"] })),
});
const icmp = fc.record({ type: often(fc.constant(8)), code: seldom(fc.constant(0)) });
const protocol = fc.constantFrom("TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite", 1, 6, 47, 58);
const rule = fc
  .record({
    action: fc.constantFrom("Allow", "Deny", "Log", "Pass"),
    ipVersion: seldom(fc.constantFrom(4, 6)),
    protocol: often(protocol),
    notProtocol: seldom(protocol),
    icmp: seldom(icmp),
    notICMP: seldom(icmp),
    source: often(entity),
    destination: often(entity),
    http: seldom(fc.constant({ methods: ["GET"] })),
  })
  .map((value) => plain(value) as PolicyRule);

type Direction = "ingress" | "egress";

/** Calico's rules once more, as one condition after the other, and without a word about what is wrong. */
function isAllowed(direction: Direction, global: boolean, given: PolicyRule): boolean {
  const sides: readonly EntityRule[] = [given.source ?? {}, given.destination ?? {}];
  const is = (value: number | string | undefined, name: string, number: number) => value === name || value === number;
  const portful = is(given.protocol, "TCP", 6) || is(given.protocol, "UDP", 17) || is(given.protocol, "SCTP", 132);
  const families = new Set<number>(given.ipVersion === undefined ? [] : [given.ipVersion]);
  for (const side of sides)
    for (const text of [...(side.nets ?? []), ...(side.notNets ?? [])]) families.add(Prefix.parse(text).family);
  const icmpFits = (value: number | string | undefined) =>
    given.ipVersion === undefined ||
    ((!is(value, "ICMP", 1) || given.ipVersion === 4) && (!is(value, "ICMPv6", 58) || given.ipVersion === 6));
  const [near, far] = direction === "ingress" ? [given.destination, given.source] : [given.source, given.destination];
  return [
    portful || sides.every((side) => side.ports === undefined && side.notPorts === undefined),
    families.size <= 1,
    given.icmp === undefined || is(given.protocol, "ICMP", 1) || is(given.protocol, "ICMPv6", 58),
    [given.icmp, given.notICMP].every((match) => match?.code === undefined || match.type !== undefined),
    icmpFits(given.protocol) && icmpFits(given.notProtocol),
    given.http === undefined || (direction === "ingress" && given.action === "Allow"),
    given.http === undefined || given.protocol === undefined || is(given.protocol, "TCP", 6),
    near?.services === undefined,
    far?.services === undefined || !global || far.services.namespace !== undefined,
    given.destination?.services === undefined ||
      (given.destination.ports === undefined && given.destination.notPorts === undefined),
    sides.every(
      (side) =>
        side.services === undefined ||
        (side.services.name !== undefined &&
          side.nets === undefined &&
          side.notNets === undefined &&
          side.selector === undefined &&
          side.notSelector === undefined &&
          side.namespaceSelector === undefined &&
          side.serviceAccounts === undefined),
    ),
  ].every(Boolean);
}

test("a rule of a policy is refused if and only if one of Calico's rules forbids it, and the problem is in that rule", () => {
  let [accepted, refused] = [0, 0];
  fc.assert(
    fc.property(fc.constantFrom("ingress", "egress"), fc.boolean(), rule, (direction, global, given) => {
      const policy = {
        kind: global ? "GlobalNetworkPolicy" : "NetworkPolicy",
        apiVersion: "projectcalico.org/v3",
        metadata: { name: "a", ...(!global && { namespace: "shop" }) },
        spec: { [direction]: [{ action: "Log" }, given] },
      };
      const { problems } = readResource(policy, { unknownFields: "report", rules: true });
      expect(problems.length === 0).toBe(isAllowed(direction, global, given));
      for (const { path } of problems) expect(path.slice(0, 3)).toEqual(["spec", direction, 1]);
      if (problems.length === 0) accepted++;
      else refused++;
    }),
    { numRuns: 1500 },
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(150);
});

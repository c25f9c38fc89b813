import type { KernelRoute, Neighbour, RouteType } from "../types.ts";

/** RTN_*. */
const routeTypes = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
  nat: 10,
} as const satisfies Record<RouteType, number>;

/** RT_SCOPE_*. */
const scopes = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const satisfies Record<
  KernelRoute["scope"],
  number
>;

/** NUD_*. */
const neighbourStates = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const satisfies Record<Neighbour["state"], number>;

function invert<Name extends string>(numbers: Readonly<Record<Name, number>>): ReadonlyMap<number, Name> {
  const names = new Map<number, Name>();
  for (const name in numbers) names.set(numbers[name], name);
  return names;
}

const routeTypeNames = invert(routeTypes);
const scopeNames = invert(scopes);
const neighbourStateNames = invert(neighbourStates);

export function routeTypeNumber(type: RouteType): number {
  return routeTypes[type];
}

/** Undefined for a type that no kernel of today writes. */
export function routeTypeName(number: number): RouteType | undefined {
  return routeTypeNames.get(number);
}

export function scopeNumber(scope: KernelRoute["scope"]): number {
  return scopes[scope];
}

/** Administrators may use numbers in between (rt_scopes); such a one is called by the next wider scope. */
export function scopeName(number: number): KernelRoute["scope"] {
  return scopeNames.get(number) ?? (number > scopes.site ? "site" : "universe");
}

export function neighbourStateNumber(state: Neighbour["state"]): number {
  return neighbourStates[state];
}

/** The kernel sets one bit at a time; a combination that it does not report is called "none". */
export function neighbourStateName(bits: number): Neighbour["state"] {
  return neighbourStateNames.get(bits) ?? "none";
}

import { addressOrCidr, deviceFilter, duration, keyValueList, portRange, regularExpression } from "../text-formats.ts";

/*
 * The shapes that Felix's settings have. A setting that is absent has its default; false, 0 and [] are values of their own.
 */

/** `unset` is the default in words. */
export function flag(description: string, unset: string) {
  return { type: "boolean", zero: "keep", description, default: unset } as const;
}

export function count(description: string, unset: string, limits: { min?: number; max?: number; unit?: string } = {}) {
  return { type: "integer", zero: "keep", min: 0, max: 0x7fffffff, ...limits, description, default: unset } as const;
}

export function port(description: string, unset: string, min: 0 | 1 = 0) {
  return { type: "integer", zero: "keep", min, max: 65535, description, default: unset } as const;
}

/** The priority (metric) of routes in the kernel. */
export function routePriority(description: string, unset: string) {
  return { type: "integer", min: 1, max: 2147483646, description, default: unset } as const;
}

export function interval(description: string, unset: string) {
  return { type: "text", format: duration, description, default: unset } as const;
}

export function text(description: string, unset: string) {
  return { type: "text", description, default: unset } as const;
}

export function pattern(description: string, unset: string) {
  return { type: "text", format: regularExpression, description, default: unset } as const;
}

/** Names of devices, with `+` at the end as a wildcard where iptables takes one. */
export function devices(description: string, unset: string) {
  return {
    type: "list",
    zero: "keep",
    items: { type: "text", format: deviceFilter },
    description,
    default: unset,
  } as const;
}

export function prefixes(description: string, unset: string) {
  return {
    type: "list",
    zero: "keep",
    items: { type: "text", format: addressOrCidr },
    description,
    default: unset,
  } as const;
}

/** `name=value` pairs with commas between. */
export function pairs(description: string, unset: string) {
  return { type: "text", format: keyValueList, description, default: unset } as const;
}

/** Felix takes the values in any case. */
export function choice(values: readonly string[], description: string, unset: string) {
  return { type: "text", values, anyCase: true, description, default: unset } as const;
}

export function ports(description: string, unset: string) {
  return { type: "numberOrText", max: 65535, format: portRange, description, default: unset } as const;
}

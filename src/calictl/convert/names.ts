import { createHash } from "node:crypto";
import type { IpAddress } from "../../net/address.ts";

/** A name of Calico's API v1 in the letters that v3 allows: lower case, `-`, `.`. Nodes get just that. */
export function normalizeName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("/", ".")
    .replaceAll(/[^-.a-z0-9]+/g, "-")
    .replaceAll(/[.-]*\.[.-]*/g, ".")
    .replaceAll(/^[.-]+|[.-]+$/g, "");
}

/** As `normalizeName`; a name that it has changed gets eight digits of its SHA-1, so that no two names become one. */
export function convertName(name: string): string {
  return qualified(name, normalizeName(name));
}

/** As `convertName`, with dashes for dots. */
export function convertNameWithoutDots(name: string): string {
  return qualified(name, normalizeName(name).replaceAll(".", "-"));
}

function qualified(before: string, after: string): string {
  if (before === after) return before;
  return `${after}-${createHash("sha1").update(before).digest("hex").slice(0, 8)}`;
}

/** Profiles of Kubernetes' namespaces were named otherwise. */
export function convertProfileName(name: string): string {
  return convertName(name.replace(/^k8s_ns\./, "kns."));
}

/** `1-2-3-4`, or all eight groups of an IPv6 address with four digits each. */
export function addressToName(address: IpAddress): string {
  if (address.family === 4) return address.toString().replaceAll(".", "-");
  return address.toBigInt().toString(16).padStart(32, "0").match(/.{4}/g)?.join("-") ?? "";
}

/** `10-0-0-0-16` */
export function prefixToName(prefix: string): string {
  return prefix.replaceAll(/[.:/]/g, "-");
}

import { assertNever } from "../../core/errors.ts";
import { bgpRoles, type Capability } from "./capability.ts";
import { Afi, type AfiSafi, Safi } from "./family.ts";

/** IANA "Capability Codes": names of those that the codec keeps as octets. */
const otherNames = new Map<number, string>([
  [3, "outbound-route-filtering"],
  [4, "multiple-labels-old"],
  [7, "bgpsec"],
  [8, "multiple-labels"],
  [66, "dynamic-capability-old"],
  [67, "dynamic-capability"],
  [68, "multisession"],
  [72, "routing-policy-distribution"],
  [73, "fqdn"],
  [74, "bfd-strict"],
  [75, "software-version"],
  [76, "paths-limit"],
  [128, "route-refresh-cisco"],
  [130, "outbound-route-filtering-cisco"],
]);

/**
 * A capability for people, e.g. `four-octet-as 64512`, `graceful-restart 120s notification ipv4-unicast:preserved`; one that
 * the codec does not know by its registered name or number and its octets, e.g. `fqdn 0x026e3100`.
 */
export function formatCapability(capability: Capability): string {
  switch (capability.kind) {
    case "route-refresh":
    case "extended-message":
    case "enhanced-route-refresh":
      return capability.kind;
    case "multiprotocol":
      return words("multiprotocol", [familyName(capability)]);
    case "four-octet-as":
      return words("four-octet-as", [String(capability.asNumber)]);
    case "graceful-restart":
      return words("graceful-restart", [
        `${capability.restartTimeSec}s`,
        ...(capability.restarting ? ["restarting"] : []),
        ...(capability.notification ? ["notification"] : []),
        ...capability.families.map((family) => `${familyName(family)}${preserved(family)}`),
      ]);
    case "long-lived-graceful-restart":
      return words(
        capability.kind,
        capability.families.map((family) => `${familyName(family)}:${family.staleTimeSec}s${preserved(family)}`),
      );
    case "add-path":
      return words(
        "add-path",
        capability.families.map((family) => `${familyName(family)}:${family.mode}`),
      );
    case "extended-next-hop":
      return words(
        "extended-next-hop",
        capability.families.map((family) => `${familyName(family)}:${afiName(family.nextHopAfi)}`),
      );
    case "role":
      return words("role", [bgpRoles[capability.value] ?? String(capability.value)]);
    case "unknown":
      return words(otherNames.get(capability.code) ?? `capability ${capability.code}`, octets(capability.value));
    default:
      return assertNever(capability, "capability");
  }
}

function words(name: string, details: readonly string[]): string {
  return [name, ...details].join(" ");
}

function preserved({ forwardingPreserved }: { readonly forwardingPreserved: boolean }): string {
  return forwardingPreserved ? ":preserved" : "";
}

function familyName({ afi, safi }: AfiSafi): string {
  if (safi === Safi.unicast) return `${afiName(afi)}-unicast`;
  return safi === Safi.multicast ? `${afiName(afi)}-multicast` : `${afi}/${safi}`;
}

function afiName(afi: number): string {
  if (afi === Afi.ipv4) return "ipv4";
  return afi === Afi.ipv6 ? "ipv6" : `afi${afi}`;
}

function octets(value: Uint8Array): string[] {
  const hex = Array.from(value, (octet) => octet.toString(16).padStart(2, "0")).join("");
  return hex === "" ? [] : [`0x${hex}`];
}

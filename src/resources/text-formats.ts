import { errorMessage } from "../core/errors.ts";
import { IpAddress } from "../net/address.ts";
import { Prefix, parseCidr } from "../net/prefix.ts";
import { canonicalDuration } from "./duration.ts";
import type { TextFormat } from "./schema.ts";
import { compileSelector } from "./selector.ts";

/** A format of which every accepted text is canonical already. */
function matching(accepts: (text: string) => boolean, problem: string): TextFormat {
  return (text) => (accepts(text) ? { text } : { problem });
}

function pattern(expression: RegExp, problem: string): TextFormat {
  return matching((text) => expression.test(text), problem);
}

const subdomain = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** RFC 1123 subdomain: the name of a resource. */
export const resourceName = pattern(
  subdomain,
  'must be at most 253 lower-case letters, digits, "-" and ".", and begin and end with a letter or digit',
);

export const namespaceName = pattern(
  /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/,
  'must be at most 63 lower-case letters, digits and "-", and begin and end with a letter or digit',
);

const qualifiedName = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** `[prefix/]name`, the key of a label or annotation. */
export const labelKey = matching((text) => {
  const slash = text.indexOf("/");
  return qualifiedName.test(text.slice(slash + 1)) && (slash < 0 || subdomain.test(text.slice(0, slash)));
}, 'must be [prefix/]name: a name of at most 63 letters, digits, "-", "_" and ".", and as prefix a DNS name');

/** As `labelKey`, but upper case makes no difference, as Kubernetes has it. */
export const annotationKey: TextFormat = (text) => {
  const result = labelKey(text.toLowerCase());
  return "text" in result ? { text } : result;
};

export const labelValue = matching(
  (text) => text === "" || qualifiedName.test(text),
  'must be empty or at most 63 letters, digits, "-", "_" and "." that begin and end with a letter or digit',
);

export const ipAddress = matching(
  (text) => IpAddress.tryParse(text) !== undefined,
  "must be an IP address such as 10.0.0.1 or fd00::1",
);

export const ipv4Address = matching(
  (text) => IpAddress.tryParse(text)?.family === 4,
  "must be an IPv4 address such as 10.244.7.64",
);

export const ipv6Address = matching(
  (text) => IpAddress.tryParse(text)?.family === 6,
  "must be an IPv6 address such as fd00::1",
);

export const dottedQuad = matching(
  (text) => IpAddress.tryParse(text)?.family === 4,
  "must be four numbers from 0 to 255 with dots, such as 244.0.0.1",
);

/** A prefix without host bits; canonical text. */
export const cidr: TextFormat = (text) => {
  try {
    return { text: Prefix.parse(text).toString() };
  } catch (error) {
    return { problem: errorMessage(error) };
  }
};

/** A single address, or a prefix without host bits; canonical text. */
export const addressOrPrefix: TextFormat = (text) => {
  const address = IpAddress.tryParse(text);
  return address === undefined ? cidr(text) : { text: address.toString() };
};

/** `10.0.0.1` or `10.0.0.0/24`, with or without host bits. */
export const addressOrCidr = matching((text) => {
  if (IpAddress.tryParse(text) !== undefined) return true;
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}, "must be an IP address or prefix such as 10.0.0.1 or 10.0.0.0/24");

export const macAddress = pattern(
  /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$/,
  "must be a MAC address such as 66:8f:aa:01:02:03",
);

/** The name of a device, or a glob with "*". */
export const interfacePattern = pattern(
  /^[A-Za-z0-9_.*-]{1,15}$/,
  'must be a device name or pattern of at most 15 letters, digits, "_", ".", "-" and "*"',
);

/** `8080` or `30000:32767`. */
export const portRange: TextFormat = (text) => {
  const [, first, last] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  const [low, high] = [Number(first), Number(last ?? first)];
  return first !== undefined && low <= high && high <= 65535
    ? { text }
    : { problem: "must be a port, or two of them as in 30000:32767, from 0 to 65535" };
};

/** A regular expression; Go's and JavaScript's differ little, and what both refuse is wrong. */
export const regularExpression = matching((text) => {
  try {
    // Go writes flags into the expression, which is no mistake.
    new RegExp(text.replace(/^\(\?[imsU]+\)/, ""));
    return true;
  } catch {
    return false;
  }
}, "must be a regular expression, such as ^eth.*");

const protocolNames = ["TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"];

/** The name of an IP protocol in any case; the canonical one. */
export const protocolName: TextFormat = (text) => {
  const name = protocolNames.find((each) => each.toLowerCase() === text.toLowerCase());
  return name === undefined
    ? { problem: `must be a number from 1 to 255 or one of ${protocolNames.join(", ")}` }
    : { text: name };
};

/** A port, a range of ports, or the name of an endpoint's port. */
export const portOrName: TextFormat = (text) => {
  if (/^[\d:]+$/.test(text)) return portRange(text);
  return /^[A-Za-z0-9_.-]{1,128}$/.test(text) && /[A-Za-z]/.test(text)
    ? { text }
    : { problem: "must be a port, a range such as 8000:8080, or the name of a port" };
};

/** As `interfacePattern`, but not all devices. */
export const ignoredInterface: TextFormat = (text) =>
  text === "*" ? { problem: "must not be all devices: no prefix would be routed" } : interfacePattern(text);

/** A device of the node, or `*` for all. */
export const interfaceName = pattern(
  /^(?:\*|[A-Za-z0-9_.-]{1,15})$/,
  'must be "*" or a device name of at most 15 letters, digits, "_", "." and "-"',
);

/** A device, where iptables takes a `+` at the end as a wildcard. */
export const deviceFilter = pattern(
  /^[A-Za-z0-9:._+-]{1,15}$/,
  'must be a device name of at most 15 letters, digits, ":", ".", "_" and "-", or its beginning and "+"',
);

/** `A=true,B=`: pairs with commas between. */
export const keyValueList = pattern(
  /^\s*(?:[A-Za-z0-9_-]+=[^,]*)?(?:,\s*(?:[A-Za-z0-9_-]+=[^,]*)?)*$/,
  "must be NAME=VALUE, more of them with commas between",
);

export const hostName = pattern(
  /^[A-Za-z0-9:._+-]{1,64}$/,
  "must be an address or a host name of at most 64 characters",
);

/** A part of Felix. */
export const partName = pattern(/^[A-Za-z0-9_ -]+$/, 'must have letters, digits, "_", "-" and blanks only');

/** IANA's service names, which Kubernetes takes for the names of ports (RFC 6335 section 5.1). */
export const portName = pattern(
  /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/,
  'must be at most 15 lower-case letters, digits and single "-" between them, with a letter',
);

/** A selector of namespaces in a policy rule: `global()` alone stands for what belongs to no namespace. */
export const namespaceSelector: TextFormat = (text) =>
  /^[ \t]*global\([ \t]*\)[ \t]*$/.test(text) ? { text } : selector(text);

/** A selector that picks nodes, namespaces or endpoints; `global()` makes no sense there. */
export const selector: TextFormat = (text) => {
  try {
    compileSelector(text);
    return { text };
  } catch (error) {
    return { problem: errorMessage(error) };
  }
};

/** A duration of zero or more, in Go's form. */
export const duration: TextFormat = (text) => {
  const canonical = canonicalDuration(text);
  return canonical === undefined || canonical.startsWith("-")
    ? { problem: "must be a duration such as 90s, 2m30s or 1h" }
    : { text: canonical };
};

/** `aa:nn` with 16 bits each, or `aa:nn:mm` with 32 bits each (RFC 1997, RFC 8092). */
export const community = matching((text) => {
  if (!/^\d{1,10}(?::\d{1,10}){1,2}$/.test(text)) return false;
  const parts = text.split(":").map(Number);
  return parts.every((part) => part <= (parts.length === 2 ? 0xffff : 0xffffffff));
}, "must be a community such as 64512:100 (16 bits each) or 64512:1:100 (32 bits each)");

const communityName = /^[A-Za-z0-9_.-]{1,253}$/;

export const communityNameFormat = pattern(communityName, 'must be at most 253 letters, digits, "-", "_" and "."');

/** The name of a community or a literal one. */
export const communityReference: TextFormat = (text) => (communityName.test(text) ? { text } : community(text));

/** `10.0.0.1`, `10.0.0.1:1790`, `fd00::1`, `[fd00::1]:1790`, and link-local `fe80::1%eth0` or `[fe80::1%eth0]:1790`. */
export const peerAddress = matching(
  (text) => parsePeerAddress(text) !== undefined,
  "must be an IP address, with a port as in 10.0.0.1:1790 or [fd00::1]:1790, or with a device as in fe80::1%eth0",
);

/** A peer's address as a resource names it. */
export interface PeerAddress {
  readonly address: IpAddress;
  readonly port?: number;
  /** The device of a link-local address. */
  readonly device?: string;
}

/** Splits a peer's address; undefined if it is none. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  const bare = parseZonedAddress(text);
  if (bare !== undefined) return bare;
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([1-9]\d{0,4})$/.exec(text);
  const found = parseZonedAddress(match?.[1] ?? match?.[2] ?? "");
  const port = Number(match?.[3]);
  if (found === undefined || port > 65535) return undefined;
  return (found.address.family === 6) === (match?.[1] !== undefined) ? { ...found, port } : undefined;
}

/** Only a link-local address may have a zone, which is the name of a device (at most 15 octets without "/" and blanks). */
function parseZonedAddress(text: string): PeerAddress | undefined {
  const zoned = /^(fe[89ab][^%]*)%([^\s/%]{1,15})$/i.exec(text);
  const address = IpAddress.tryParse(zoned?.[1] ?? text);
  if (address === undefined) return undefined;
  const device = zoned?.[2];
  return device === undefined ? { address } : { address, device };
}

import { bgpRoles, type Family } from "../../bgp/packet/index.ts";
import type { BfdWish } from "../../bgp/types.ts";
import { errorMessage } from "../../core/errors.ts";
import { didYouMean } from "../../core/nearest-name.ts";
import { parseMaxPrefix } from "../config/bgp-settings.ts";
import type { PeerOptions } from "./peer-options.ts";

/** What the annotations of one resource ask for, and what of them could not be understood. */
interface AnnotatedOptions {
  readonly options: PeerOptions;
  /** One sentence each. */
  readonly problems: readonly string[];
}

const prefix = "calibird.io/";

/** Reads an annotation's value; a string says what is wrong with it. */
type Reader = (value: string) => PeerOptions | string;

/** The annotations of BGPPeers, and of the BGPConfiguration `default` for the sessions of the mesh. */
const readers: Readonly<Record<string, Reader>> = {
  bfd: readBfd,
  "hold-time": (value) => {
    const seconds = wholeNumber(value.replace(/s$/, ""));
    if (seconds === 0 || (seconds !== undefined && seconds >= 3 && seconds <= 65_535)) return { holdTimeSec: seconds };
    return "wants 0, or seconds from 3 to 65535 such as 90s";
  },
  /** RFC 9494, counted from the end of the restart time. */
  "long-lived-stale-time": (value) => {
    const staleTimeSec = wholeNumber(value.replace(/s$/, ""));
    return staleTimeSec !== undefined && staleTimeSec <= 0xffffff
      ? { longLivedGracefulRestart: { staleTimeSec } }
      : "wants seconds from 0 to 16777215 such as 86400s";
  },
  passive: (value) => readBoolean(value, (passive) => ({ passive })),
  role: readRole,
  /** Down, and the text that the other side is told (RFC 9003). */
  shutdown: (message) => ({ shutdown: { message } }),
  families: readFamilies,
  "max-prefix": readMaxPrefix,
  "add-path": readAddPath,
  "extended-messages": (value) => readBoolean(value, (extendedMessages) => ({ extendedMessages })),
  "local-as": readLocalAs,
  "remove-private-as": (value) =>
    value === "remove" || value === "replace"
      ? { treatment: { removePrivateAs: value } }
      : 'wants "remove" or "replace"',
  "as-override": (value) => readBoolean(value, (asOverride) => ({ treatment: { asOverride } })),
  "graceful-shutdown": (value) =>
    readBoolean(value, (announceGracefulShutdown) => ({ treatment: { announceGracefulShutdown } })),
  blackhole: (value) => readBoolean(value, (honourBlackhole) => ({ treatment: { honourBlackhole } })),
};

/**
 * The options that a resource's annotations `calibird.io/NAME` ask for. What cannot be understood is left out and told; the
 * annotations of others are none of our business.
 */
export function readPeerAnnotations(
  subject: string,
  annotations: Readonly<Record<string, string>> = {},
): AnnotatedOptions {
  let options: PeerOptions = {};
  const problems: string[] = [];
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(prefix)) continue;
    const name = key.slice(prefix.length);
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (read === undefined) {
      problems.push(`${subject}: there is no annotation ${key}${didYouMean(key, knownKeys())}`);
      continue;
    }
    const result = read(value);
    if (typeof result === "string") problems.push(`${subject}: annotation ${key} ${result}, not "${value}"`);
    else options = merged(options, result);
  }
  return { options, problems };
}

function merged(options: PeerOptions, more: PeerOptions): PeerOptions {
  const treatment = { ...options.treatment, ...more.treatment };
  return { ...options, ...more, ...(Object.keys(treatment).length > 0 && { treatment }) };
}

function knownKeys(): string[] {
  return Object.keys(readers).map((name) => prefix + name);
}

const defaultBfd: BfdWish = { intervalMs: 300, multiplier: 3, hops: "auto" };

/** `true`, or a comma separated list such as `interval=100ms,multiplier=3,hops=single`. */
function readBfd(value: string): PeerOptions | string {
  if (value === "false") return {};
  let bfd = defaultBfd;
  for (const part of value === "true" ? [] : value.split(",")) {
    const [name = "", text = ""] = part.split("=").map((piece) => piece.trim());
    const number = wholeNumber(text.replace(/ms$/, ""));
    if (name === "interval" && number !== undefined && number >= 10 && number <= 60_000)
      bfd = { ...bfd, intervalMs: number };
    else if (name === "multiplier" && number !== undefined && number >= 1 && number <= 255)
      bfd = { ...bfd, multiplier: number };
    else if (name === "hops" && (text === "auto" || text === "single" || text === "multi"))
      bfd = { ...bfd, hops: text };
    else
      return "wants true, false, or interval=10ms…60000ms, multiplier=1…255, hops=auto|single|multi, separated by commas";
  }
  return { bfd };
}

/** What this node is to the peer (RFC 9234), e.g. `customer` or `customer,strict`. */
function readRole(value: string): PeerOptions | string {
  const [name, strict, ...more] = value.split(",").map((part) => part.trim());
  const local = bgpRoles.find((role) => role === name);
  if (local === undefined || more.length > 0 || (strict !== undefined && strict !== "strict"))
    return `wants one of ${bgpRoles.join(", ")}, and ",strict" to refuse peers without a role`;
  return { role: { local, ...(strict === undefined ? {} : { strict: true }) } };
}

const familyNames: ReadonlyMap<string, Family> = new Map([
  ["ipv4", "ipv4-unicast"],
  ["ipv6", "ipv6-unicast"],
]);

function readFamilies(value: string): PeerOptions | string {
  const families: Family[] = [];
  for (const name of value.split(",")) {
    const family = familyNames.get(name.trim());
    if (family === undefined || families.includes(family)) return "wants ipv4, ipv6, or both separated by a comma";
    families.push(family);
  }
  return { families };
}

function readMaxPrefix(value: string): PeerOptions | string {
  try {
    return { maxPrefix: parseMaxPrefix(value) };
  } catch (error) {
    return errorMessage(error);
  }
}

/** `false`, or a comma separated list of `receive` and `send=all` or `send=N`. */
function readAddPath(value: string): PeerOptions | string {
  if (value === "false") return { addPath: false };
  let settings: Exclude<PeerOptions["addPath"], false | undefined> = { receive: false };
  for (const part of value.split(",").map((piece) => piece.trim())) {
    const [, text = ""] = /^send=(all|\d{1,3})$/.exec(part) ?? [];
    if (part === "receive") settings = { ...settings, receive: true };
    else if (text === "all" || Number(text) > 0) settings = { ...settings, send: text === "all" ? text : Number(text) };
    else return "wants false, or receive and send=all or send=1…999, separated by a comma";
  }
  return { addPath: settings };
}

function readLocalAs(value: string): PeerOptions | string {
  const words = value.split(",").map((word) => word.trim());
  if (words.some((word) => word !== "prepend-received" && word !== "keep-real"))
    return "wants prepend-received, keep-real, or both separated by a comma";
  return {
    localAs: { prependReceived: words.includes("prepend-received"), replaceReal: !words.includes("keep-real") },
  };
}

function readBoolean(value: string, options: (on: boolean) => PeerOptions): PeerOptions | string {
  return value === "true" || value === "false" ? options(value === "true") : 'wants "true" or "false"';
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

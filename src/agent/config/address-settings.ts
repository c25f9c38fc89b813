import { type AddressFamily, IpAddress } from "../../net/address.ts";
import { parseCidr } from "../../net/prefix.ts";

const examples = { 4: "10.0.0.1/24", 6: "2001:db8::1/64" } as const;

/** An address of the family with or without a length, `autodetect` or `none`. */
export function parseNodeAddress(text: string, family: AddressFamily): string {
  if (text === "autodetect" || text === "none") return text;
  try {
    const address = text.includes("/") ? parseCidr(text).address : IpAddress.parse(text);
    if (address.family === family) return text;
  } catch {
    // Said below, together with the case of the other family.
  }
  throw new Error(`must be an IPv${family} address such as ${examples[family]}, autodetect, or none`);
}

const bareMethods = ["first-found", "kubernetes-internal-ip"];
const detectionMethods = ["interface", "skip-interface", "cidr", "can-reach"];

/** How a node's address is to be found, as Calico writes it. */
export function parseDetectionMethod(text: string): string {
  const [name, argument] = splitOnce(text, "=");
  if (bareMethods.includes(name) && argument === undefined) return text;
  if (!detectionMethods.includes(name) || argument === undefined || argument === "")
    throw new Error(
      "must be first-found, interface=REGEX, skip-interface=REGEX, cidr=PREFIX, can-reach=HOST or kubernetes-internal-ip",
    );
  if (name === "cidr") for (const part of argument.split(",")) parseCidr(part);
  if (name === "can-reach" && IpAddress.tryParse(argument) === undefined) parseHostName(argument);
  if (name.endsWith("interface")) for (const part of argument.split(",")) new RegExp(part);
  return text;
}

/** Addresses with commas between. */
export function parseAddresses(text: string): readonly IpAddress[] {
  return text.split(",").map((part) => {
    const address = IpAddress.tryParse(part.trim());
    if (address === undefined) throw new Error("must be addresses such as 10.0.0.1,2001:db8::1");
    return address;
  });
}

function parseHostName(text: string): void {
  if (text.length > 253 || !/^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(text) || /^[\d.]+$/.test(text))
    throw new Error("must be can-reach= with an address or the name of a host");
}

/** Splits at the first separator; the second part is undefined without one. */
export function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

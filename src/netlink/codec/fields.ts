import { NetlinkError } from "../errors.ts";

/** IFNAMSIZ less the NUL. */
const MAX_NAME_OCTETS = 15;
const MAX_INDEX = 0x7fffffff;

function invalid(field: string, value: unknown, right: string): NetlinkError {
  return new NetlinkError("INVALID_REQUEST", `${field}: ${JSON.stringify(value)} is not ${right}`, { field, value });
}

/** Returns `value` if it is an integer from 0 to `maximum`; throws `INVALID_REQUEST` with the field's name. */
export function unsigned(field: string, value: number, maximum: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= maximum) return value;
  throw invalid(field, value, `an integer from 0 to ${maximum}`);
}

/** Returns an interface index, 1 … 2^31-1; throws `INVALID_REQUEST`. */
export function interfaceIndex(field: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= MAX_INDEX) return value;
  throw invalid(field, value, "an interface index, which is an integer from 1 on");
}

/** Returns a name that the kernel takes for a device (dev_valid_name); throws `INVALID_REQUEST`. */
export function interfaceName(field: string, name: string): string {
  const octets = Buffer.byteLength(name);
  const isValid = octets > 0 && octets <= MAX_NAME_OCTETS && name !== "." && name !== ".." && !/[/:\s\0%]/.test(name);
  if (isValid) return name;
  throw invalid(field, name, `a device name: 1 to ${MAX_NAME_OCTETS} octets without "/", ":", "%" and spaces`);
}

/** The six octets of `ee:ee:ee:ee:ee:ee`; throws `INVALID_REQUEST`. */
export function macOctets(field: string, text: string): number[] {
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return text.split(":").map((octet) => Number.parseInt(octet, 16));
  throw invalid(field, text, "a MAC address such as ee:ee:ee:ee:ee:ee");
}

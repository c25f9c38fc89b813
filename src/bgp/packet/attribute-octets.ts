import { type AttributeCategory, AttributeFlag } from "./attribute-rule.ts";
import { Writer } from "./writer.ts";

/** The Optional and Transitive bits of a category's attributes. */
export const requiredBits: Readonly<Record<AttributeCategory, number>> = {
  "well-known": AttributeFlag.transitive,
  "optional-transitive": AttributeFlag.optional | AttributeFlag.transitive,
  "optional-non-transitive": AttributeFlag.optional,
};

/** Flags, code, length and value; the length takes two octets only if it must. At most 65535 octets of value. */
export function encodeAttribute(flags: number, code: number, value: Uint8Array): Uint8Array {
  const bits = flags & (AttributeFlag.optional | AttributeFlag.transitive | AttributeFlag.partial);
  const writer = new Writer(value.length + 4);
  if (value.length > 255)
    writer
      .u8(bits | AttributeFlag.extendedLength)
      .u8(code)
      .u16(value.length);
  else writer.u8(bits).u8(code).u8(value.length);
  return writer.bytes(value).toBytes();
}

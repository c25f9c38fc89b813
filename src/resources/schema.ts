/**
 * The shape of resources as data. A schema is written next to the TypeScript type it describes and is checked against
 * it by the compiler: every field of the type must appear, with a schema that fits its type. The order of the fields is
 * the order in which they are stored.
 */

/** What a text must look like. Returns the canonical form, or what is wrong with it. */
export type TextFormat = (text: string) => { readonly text: string } | { readonly problem: string };

/** What `calictl explain` says of a field, besides its type and allowed values, which the schema tells already. */
export interface Documentation {
  readonly description: string;
  /** What an absent field means, as people would write it. */
  readonly default?: string;
  /** Of a number: seconds, bytes, … */
  readonly unit?: string;
}

interface Presence extends Partial<Documentation> {
  readonly required?: true;
  /**
   * What the zero value (`""`, 0, false, `[]`, `{}`) means. "omit", the default: the same as an absent field, and it is
   * not stored. "keep": a value of its own. "fill": stored even if it was absent.
   */
  readonly zero?: "omit" | "keep" | "fill";
}

export interface TextSchema extends Presence {
  readonly type: "text";
  /** The allowed values. */
  readonly values?: readonly string[];
  /** Upper and lower case make no difference for `values`. */
  readonly anyCase?: true;
  readonly format?: TextFormat;
  readonly maxLength?: number;
}

export interface IntegerSchema extends Presence {
  readonly type: "integer";
  readonly min: number;
  readonly max: number;
}

/** Any finite number. */
export interface NumberSchema extends Presence {
  readonly type: "number";
}

/** Read from a number, a text, or the dotted form `hi.lo`; a number from then on (RFC 6793). */
export interface AsNumberSchema extends Presence {
  readonly type: "asNumber";
}

export interface BooleanSchema extends Presence {
  readonly type: "boolean";
}

/** A number, or a text such as "TCP". */
export interface NumberOrTextSchema extends Presence {
  readonly type: "numberOrText";
  /** 0 if absent. */
  readonly min?: number;
  readonly max: number;
  /** Of a text: the allowed values. */
  readonly values?: readonly string[];
  /** Of a text. */
  readonly format?: TextFormat;
}

export interface ListSchema<Item = unknown> extends Presence {
  readonly type: "list";
  readonly items: SchemaFor<Item>;
  readonly minItems?: number;
  readonly maxItems?: number;
  /** No item may be there twice. */
  readonly unique?: true;
}

/** Text to text, stored in ascending order of the keys. */
export interface MapSchema extends Presence {
  readonly type: "map";
  readonly keyFormat?: TextFormat;
  readonly valueFormat?: TextFormat;
}

export interface ObjectSchema<Value> extends Presence {
  readonly type: "object";
  readonly fields: { readonly [Field in keyof Required<Value>]: SchemaFor<NonNullable<Value[Field]>> & Documentation };
}

/** Any JSON; kept as it is. */
export interface AnySchema extends Presence {
  readonly type: "any";
}

/** The schemas that describe a TypeScript type. */
export type SchemaFor<Value> = unknown extends Value
  ? AnyFieldSchema
  : [Value] extends [boolean]
    ? BooleanSchema
    : [Value] extends [number]
      ? IntegerSchema | NumberSchema | AsNumberSchema
      : [Value] extends [string]
        ? TextSchema
        : [Value] extends [number | string]
          ? NumberOrTextSchema
          : Value extends readonly (infer Item)[]
            ? ListSchema<Item>
            : string extends keyof Value
              ? MapSchema | AnySchema
              : ObjectSchema<Value>;

/** The type that a schema describes, where there is no reason to write it down a second time. Every field is optional. */
export type ValueOf<Schema> = Schema extends { readonly type: "text" }
  ? string
  : Schema extends { readonly type: "boolean" }
    ? boolean
    : Schema extends { readonly type: "integer" | "number" | "asNumber" }
      ? number
      : Schema extends { readonly type: "numberOrText" }
        ? number | string
        : Schema extends { readonly type: "list"; readonly items: infer Items }
          ? readonly ValueOf<Items>[]
          : Schema extends { readonly type: "map" }
            ? Readonly<Record<string, string>>
            : Schema extends { readonly type: "object"; readonly fields: infer Fields }
              ? { readonly [Field in keyof Fields]?: ValueOf<Fields[Field]> }
              : unknown;

/** An object schema without the type it belongs to. */
export interface AnyObjectSchema extends Presence {
  readonly type: "object";
  readonly fields: Readonly<Record<string, AnyFieldSchema & Documentation>>;
}

/** A list schema without the type of its items. */
export interface AnyListSchema extends Omit<ListSchema, "items"> {
  readonly items: AnyFieldSchema;
}

export type AnyFieldSchema =
  | TextSchema
  | IntegerSchema
  | NumberSchema
  | AsNumberSchema
  | BooleanSchema
  | NumberOrTextSchema
  | AnyListSchema
  | MapSchema
  | AnyObjectSchema
  | AnySchema;

import type { ObjectSchema } from "./schema.ts";

/** One key of a Kubernetes Secret. */
export interface SecretKeySelector {
  readonly name?: string;
  readonly key: string;
  readonly optional?: boolean;
}

/** `password: {secretKeyRef: {name, key}}` */
export const secretReference: ObjectSchema<{ readonly secretKeyRef?: SecretKeySelector }> = {
  type: "object",
  fields: {
    secretKeyRef: {
      type: "object",
      fields: {
        name: { type: "text" },
        key: { type: "text", required: true },
        optional: { type: "boolean", zero: "keep" },
      },
    },
  },
};

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
      description: "The Secret, and the key in it.",
      type: "object",
      fields: {
        name: { description: "Name of the Secret.", type: "text" },
        key: { description: "The key in it.", type: "text", required: true },
        optional: { description: "Whether it may be missing.", default: "false", type: "boolean", zero: "keep" },
      },
    },
  },
};

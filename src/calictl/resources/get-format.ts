import { UsageError } from "../output.ts";

/** What `get -o` asks for. */
export type GetFormat =
  | { readonly type: "table"; readonly wide: boolean }
  | { readonly type: "yaml" | "json" | "name" };

const known = "ps, wide, yaml, json, name";

/** Reads `-o` of `get`; throws a `UsageError` that lists what there is. */
export async function parseGetFormat(text = "ps"): Promise<GetFormat> {
  switch (text) {
    case "ps":
    case "table":
      return { type: "table", wide: false };
    case "wide":
      return { type: "table", wide: true };
    case "yaml":
    case "json":
    case "name":
      return { type: text };
  }
  throw new UsageError(`-o ${text}: get prints ${known}`);
}

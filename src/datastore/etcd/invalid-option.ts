import { DatastoreError } from "../errors.ts";

/** An error that names the option, its value and what is wrong with it. */
export function invalidOption(field: string, value: string, reason: string, cause?: unknown): DatastoreError {
  const shown = value === "" ? field : `${field} "${value}"`;
  return new DatastoreError("INVALID_CONNECTION", `etcd ${shown} ${reason}`, { field, value }, cause);
}

import { ResourceError, type ResourceErrorCode } from "../../resources/errors.ts";

/** Whether an object was refused for this reason. */
export function isRefusal(error: unknown, code: ResourceErrorCode): boolean {
  return error instanceof ResourceError && error.code === code;
}

/**
 * Base of every error this project throws on purpose.
 *
 * `code` is a stable string of a closed set per subsystem (documented in docs/errors.md); `details` holds the typed facts a
 * program needs (field, value, errno …). The message is for a person: it names the field, the value and what would be right.
 */
export class CalibirdError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, details: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** Text of anything that was thrown, without the stack. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Makes a switch over a union exhaustive: the compiler refuses the call while a member is left over. */
export function assertNever(value: never, what: string): never {
  throw new TypeError(`unexpected ${what}: ${JSON.stringify(value)}`);
}

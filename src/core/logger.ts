/**
 * The part of a pino logger that our components use. They declare this and never import pino, so that tests can pass
 * `silentLogger` and only the composition root knows the library.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(bindings: object): Logger;
}

/** Drops everything; for tests and for library use without a log. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

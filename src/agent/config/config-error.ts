import { CalibirdError } from "../../core/errors.ts";

type ConfigErrorCode = "INVALID_SETTING" | "UNKNOWN_SETTING" | "UNREADABLE_CONFIG";

/** A wrong setting. The message names where it came from, the value, and what would be right. */
export class ConfigError extends CalibirdError<ConfigErrorCode> {}

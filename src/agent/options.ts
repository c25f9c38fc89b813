import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { AgentConfig } from "./config/settings.ts";
import type { OwnAddresses } from "./start/own-addresses.ts";

/** What an agent is started with. */
export interface AgentOptions {
  readonly config: AgentConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Aborted when the agent is not wanted any more, also while it is starting. */
  readonly giveUp: AbortSignal;
  /** Called once if a part without which the agent is of no use has failed. */
  readonly onFailure: (error: Error) => void;
  /** The addresses that the agent before this one, in the same process, has found; undefined: find out. */
  readonly movedTo: OwnAddresses | undefined;
  /** Called once if this node's addresses are others now: this agent is to be stopped and one with them started. */
  readonly onMove: (addresses: OwnAddresses) => void;
}

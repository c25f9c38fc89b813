import { pino } from "pino";
import { systemClock } from "../core/clock.ts";
import { CalibirdError, errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { version } from "../core/version.ts";
import { startAgent } from "./agent.ts";
import { type ConfigSources, resolveConfig } from "./config/resolve.ts";
import type { AgentConfig } from "./config/settings.ts";
import type { OwnAddresses } from "./start/own-addresses.ts";

/** How long a clean stop may take before the process ends anyway. */
const stopTimeoutMs = 10_000;

/**
 * `calibird agent`: runs until SIGTERM or SIGINT and returns the exit status: 0 after a clean stop, 1 if the agent could not
 * start, 2 for a wrong setting. Routes, devices and addresses stay in the kernel, so that a restart loses no packet. When the
 * node's address changes the agent restarts within the process.
 */
export async function runAgent(sources: ConfigSources): Promise<number> {
  let config: AgentConfig;
  try {
    config = await resolveConfig(sources);
  } catch (error) {
    process.stderr.write(`calibird: ${errorMessage(error)}\n`);
    return 2;
  }
  const logger = pino({ level: config.logLevel, base: { pid: process.pid } });
  warnOfOldNode((message) => logger.warn({ node: process.versions.node }, message));
  // Nothing else may hold the process while the first parts start.
  const alive = setInterval(() => {}, 2 ** 30);
  const stopped = signalReceived();
  try {
    let end: AgentEnd = { movedTo: undefined };
    do end = await runUntilEnd(config, logger, stopped, end.movedTo);
    while ("movedTo" in end);
    return end.status;
  } finally {
    clearInterval(alive);
  }
}

/** With which status the process ends, or with which addresses the next agent starts. */
type AgentEnd = { readonly status: number } | { readonly movedTo: OwnAddresses | undefined };

/** One agent from its start to its stop. Never rejects. */
async function runUntilEnd(
  config: AgentConfig,
  logger: Logger,
  stopped: Promise<NodeJS.Signals>,
  movedTo: OwnAddresses | undefined,
): Promise<AgentEnd> {
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  let onMove: (addresses: OwnAddresses) => void = () => {};
  const moved = new Promise<OwnAddresses>((resolve) => {
    onMove = resolve;
  });
  const giveUp = new AbortController();
  const started = startAgent({
    ...{ config, logger, clock: systemClock, random: Math.random, giveUp: giveUp.signal, onFailure: fail },
    ...{ movedTo, onMove },
  });
  const over = Promise.race([
    failed,
    stopped.then((signal) => ({ signal })),
    moved.then((addresses) => ({ movedTo: addresses })),
  ]);
  const end = await endOf(started, over, config.runDir, logger);
  giveUp.abort();
  // Also one that is only half started; an agent that could not start has stopped by itself.
  const ended = started.then(
    (agent) => agent.stop(),
    () => {},
  );
  if (await inTime(ended)) return end;
  logger.warn({ stopTimeoutMs }, "not everything has stopped in time; ending anyway");
  return "status" in end ? end : { status: 1 };
}

/** Waits for what ends an agent, and says it. Never rejects. */
async function endOf(
  started: Promise<unknown>,
  over: Promise<{ readonly signal: NodeJS.Signals } | { readonly movedTo: OwnAddresses }>,
  runDir: string,
  logger: Logger,
): Promise<AgentEnd> {
  try {
    const early = await Promise.race([started.then(() => undefined), over]);
    if (early === undefined) logger.info({ version, runDir }, "calibird is running");
    const reason = early ?? (await over);
    if ("movedTo" in reason) {
      logger.info({}, "starting again with the new address; routes and devices stay in the kernel");
      return reason;
    }
    logger.info({ signal: reason.signal }, "stopping; routes and devices stay in the kernel");
    return { status: 0 };
  } catch (error) {
    const known = error instanceof CalibirdError;
    logger.error(known ? { code: error.code, details: error.details } : { err: error }, errorMessage(error));
    return { status: 1 };
  }
}

/** Whether it ended before `stopTimeoutMs` were over. */
async function inTime(ended: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), stopTimeoutMs);
  });
  const result = await Promise.race([ended.then(() => true), late]);
  clearTimeout(timer);
  return result;
}

function signalReceived(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}

/** Node.js 20 gets no security fixes since April 2026. */
function warnOfOldNode(warn: (message: string) => void): void {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 22) warn("Node.js 20 is past its end of life and gets no security fixes; 22 or 24 is better");
}

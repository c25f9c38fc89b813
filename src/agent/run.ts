import { pino } from "pino";
import { systemClock } from "../core/clock.ts";
import { CalibirdError, errorMessage } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { startAgent } from "./agent.ts";
import { type ConfigSources, resolveConfig } from "./config/resolve.ts";
import type { AgentConfig } from "./config/settings.ts";

/** How long a clean stop may take before the process ends anyway. */
const stopTimeoutMs = 10_000;

/**
 * `calibird agent`: runs until SIGTERM or SIGINT and returns the exit status: 0 after a clean stop, 1 if the agent could not
 * start, 2 for a wrong setting. Routes, devices and addresses stay in the kernel, so that a restart loses no packet.
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
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const stopped = signalReceived();
  const giveUp = new AbortController();
  const options = { config, logger, clock: systemClock, random: Math.random, giveUp: giveUp.signal, onFailure: fail };
  const started = startAgent(options);
  try {
    const agent = await Promise.race([started, failed, stopped.then(() => undefined)]);
    if (agent !== undefined) logger.info({ version, runDir: config.runDir }, "calibird is running");
    const signal = await Promise.race([stopped, failed]);
    logger.info({ signal }, "stopping; routes and devices stay in the kernel");
    return 0;
  } catch (error) {
    const known = error instanceof CalibirdError;
    logger.error(known ? { code: error.code, details: error.details } : { err: error }, errorMessage(error));
    return 1;
  } finally {
    giveUp.abort();
    // Also one that is only half started; an agent that could not start has stopped by itself.
    const ended = started.then(
      (agent) => agent.stop(),
      () => {},
    );
    if (!(await inTime(ended))) logger.warn({ stopTimeoutMs }, "not everything has stopped in time; ending anyway");
    clearInterval(alive);
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

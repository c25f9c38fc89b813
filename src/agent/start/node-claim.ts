import type { Clock, Timer } from "../../core/clock.ts";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Datastore, KeyValue, LeaseId } from "../../datastore/datastore.ts";
import { nodeClaimKey, ownKeysPrefix } from "../../datastore/own-keys.ts";
import type { IpAddress } from "../../net/address.ts";
import { NodeError } from "../node-error.ts";

const leaseSec = 30;
const renewMs = 10_000;
/** How often to look whether the lease of whoever is in the way has ended. */
const lookMs = 500;

export interface NodeClaimOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
  /** Tells this machine from all others, also from a copy of it, and stays the same when the agent restarts. */
  readonly machine: string;
}

/**
 * Says in the datastore that this machine is the node of its name and addresses, for as long as it lives: keys under a lease
 * that the agent renews. A second machine with the same name would write the same Node, take the same blocks and answer for
 * the same pods. It finds the keys, waits until their lease would have ended, and gives up if they are still there.
 */
export class NodeClaim {
  readonly #options: NodeClaimOptions;
  #addresses: readonly IpAddress[] = [];
  #lease: LeaseId | undefined;
  #timer: Timer | undefined;
  #problem: string | undefined;
  #stopped = false;

  constructor(options: NodeClaimOptions) {
    this.#options = options;
  }

  /** Why somebody else has what is ours, and is alive; undefined while all is well. */
  get problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem];
  }

  /**
   * Claims the name and these addresses. Throws `NODE_NAME_IN_USE` or `DUPLICATE_NODE_ADDRESS` if another machine that lives has
   * one of them, or the reason of `giveUp`. Without a datastore it is done when there is one.
   */
  async start(addresses: readonly IpAddress[], giveUp: AbortSignal): Promise<void> {
    this.#addresses = addresses;
    try {
      await this.#claimPatiently(giveUp);
    } catch (error) {
      if (error instanceof NodeError || giveUp.aborted) throw error;
      this.#options.logger.warn({ error: errorMessage(error) }, "cannot claim this node's name yet; trying again");
    }
    this.#renewLater();
  }

  /** Gives the claim back, so that another machine may be this node at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) await this.#options.datastore.revokeLease(lease);
  }

  async #claimPatiently(giveUp: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const end = clock.monotonicMs() + leaseSec * 1000 + lookMs;
    let told = false;
    for (;;) {
      giveUp.throwIfAborted();
      const rival = await this.#claim();
      if (rival === undefined) return;
      if (clock.monotonicMs() >= end) throw this.#errorAbout(rival);
      if (!told) logger.warn({ key: rival.key }, "another machine is, or was, this node; waiting to see if it lives");
      told = true;
      await new Promise<void>((resolve) => clock.setTimer(lookMs, resolve));
    }
  }

  /** One transaction for all of it. Undefined if it is ours now, else what is in the way. */
  async #claim(): Promise<KeyValue | undefined> {
    const { datastore, nodeName, machine } = this.#options;
    const keys = [nodeClaimKey(nodeName), ...this.#addresses.map(addressKey)];
    const value = JSON.stringify({ node: nodeName, machine });
    for (;;) {
      const found = await Promise.all(keys.map(async (key) => (await datastore.get(key)).item));
      const rival = found.find((item) => item !== undefined && machineOf(item) !== machine);
      if (rival !== undefined) return rival;
      this.#lease ??= await datastore.grantLease(leaseSec);
      const lease = this.#lease;
      const { succeeded } = await datastore.transact({
        compares: keys.map((key, index) => ({
          key,
          target: "modRevision",
          result: "equal",
          value: found[index]?.modRevision ?? 0n,
        })),
        success: keys.map((key) => ({ type: "put", key, value, lease })),
      });
      if (succeeded) return undefined;
    }
  }

  #renewLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.setTimer(renewMs, () => {
      void this.#renew().finally(() => this.#renewLater());
    });
  }

  /** Never rejects. */
  async #renew(): Promise<void> {
    const { datastore, logger } = this.#options;
    try {
      if (this.#lease !== undefined && (await keepAlive(datastore, this.#lease))) return;
      this.#lease = undefined;
      const rival = await this.#claim();
      const problem = rival && this.#errorAbout(rival).message;
      if (problem !== undefined && problem !== this.#problem) logger.error({ key: rival?.key }, problem);
      this.#problem = problem;
    } catch (error) {
      logger.debug({ error: errorMessage(error) }, "cannot renew the claim on this node's name; trying again");
    }
  }

  #errorAbout({ key, value }: KeyValue): NodeError {
    const { nodeName } = this.#options;
    if (key === nodeClaimKey(nodeName))
      return new NodeError(
        "NODE_NAME_IN_USE",
        `another machine runs an agent as node ${nodeName}; give each its own name with --node-name, or stop the other one`,
        { node: nodeName, claim: value },
      );
    const address = key.slice(addressKey("").length);
    return new NodeError(
      "DUPLICATE_NODE_ADDRESS",
      `the agent of node ${nodeOf(value)} runs with the address ${address}; give node ${nodeName} its own with --ip or --ip6`,
      { node: nodeOf(value), address },
    );
  }
}

function addressKey(address: IpAddress | ""): string {
  return `${ownKeysPrefix}addresses/${address}`;
}

async function keepAlive(datastore: Datastore, lease: LeaseId): Promise<boolean> {
  try {
    await datastore.keepLeaseAlive(lease);
    return true;
  } catch (error) {
    if (error instanceof CalibirdError && error.code === "LEASE_NOT_FOUND") return false;
    throw error;
  }
}

function machineOf({ value }: KeyValue): unknown {
  return fieldOf(value, "machine");
}

function nodeOf(value: string): string {
  return String(fieldOf(value, "node") ?? "of an unknown name");
}

function fieldOf(text: string, field: string): unknown {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null)?.[field];
  } catch {
    return undefined;
  }
}

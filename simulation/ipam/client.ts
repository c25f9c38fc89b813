import { CalibirdError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { DatastoreError } from "../../src/datastore/errors.ts";
import type { AssignedAddress } from "../../src/ipam/address-book.ts";
import { BlockWatcher } from "../../src/ipam/block-watcher.ts";
import { BlockClaims } from "../../src/ipam/claims.ts";
import type { IpamError } from "../../src/ipam/errors.ts";
import { Ipam } from "../../src/ipam/ipam.ts";
import { IpamStore } from "../../src/ipam/store.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Connection, Crash } from "./connection.ts";
import type { FaultType, Operation } from "./history.ts";
import type { Actor } from "./ledger.ts";
import { createUpkeep, type Upkeep } from "./upkeep.ts";
import { addressAt, blockAt, type Handle, type World } from "./world.ts";

/** The errors with which IPAM may refuse a request for addresses, if they are true. */
type Refusal = "POOL_EXHAUSTED" | "BLOCK_LIMIT";

/** Plays the operations of one client, and holds the answers against what the ledger says. */
export class Client {
  readonly index: number;
  readonly node: string;
  readonly connection: Connection;
  readonly handles: Handle[] = [];
  /** What its watcher has reported: nodes by block, and how they stand to it. */
  readonly view = new Map<string, Map<string, string>>();
  readonly #world: World;
  readonly #random: () => number;
  #ipam: Ipam;
  #claims: BlockClaims;
  #upkeep: Upkeep;
  #watcher: BlockWatcher | undefined;

  constructor(world: World, index: number, node: string, faults: ReadonlyMap<number, FaultType>, random: () => number) {
    const { store, scheduler, ledger } = world;
    this.#world = world;
    this.index = index;
    this.node = node;
    this.#random = random;
    this.connection = new Connection({ store, scheduler, ledger, client: index, faults, random }, { name: "start" });
    ({ ipam: this.#ipam, claims: this.#claims, upkeep: this.#upkeep } = this.#startProcess());
  }

  /** Plays all operations; after a crash a new process goes on. */
  async play(operations: readonly Operation[]): Promise<void> {
    await this.#survive(() => this.#watch());
    for (const operation of operations) await this.#survive(() => this.#perform(operation));
  }

  /** Starts a process again that died while it had nothing to do but watch. */
  async recover(): Promise<void> {
    while (!this.connection.alive) await this.#survive(() => this.#restart());
  }

  /** Asks for so many addresses of each family; false if it is told that there are not so many. */
  async takeAll(count: number): Promise<boolean> {
    return (await this.#assign({ count4: count, count6: count })) !== undefined;
  }

  /** Lets the node compare what is recorded with what it uses. */
  async audit(): Promise<void> {
    this.#act({ name: "audit", ...this.#upkeep.auditRights() });
    await this.#upkeep.audit.run();
  }

  /** Collects what no node gives back. */
  async collect(): Promise<void> {
    this.#act({ name: "collect", ...this.#upkeep.collectorRights() });
    await this.#upkeep.collector.run();
  }

  /** Releases a handle that may have something. */
  async release(handle: Handle): Promise<void> {
    const held = this.#world.ledger.held(handle.id);
    handle.released = true;
    this.#act({ name: `release ${handle.id}`, frees: (_, handleId) => handleId === handle.id });
    const freed = await this.#ipam.releaseByHandle(handle.id);
    const had = new Set(this.#world.ledger.tenures(handle.id).map(({ address, ended }) => ended && address));
    for (const { address } of freed)
      this.#expect(had.has(`${address}`), `is told that ${address} of ${handle.id} was freed`);
    this.#expect(
      held.every(({ ended }) => ended),
      `has released ${handle.id}, which still has an address`,
    );
  }

  stop(): void {
    this.#watcher?.stop();
  }

  async #survive(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof Crash) {
        await this.#survive(() => this.#restart());
        await this.#survive(() => this.#afterCrash());
      } else if (!(error instanceof DatastoreError && error.code === "DATASTORE_UNAVAILABLE")) throw error;
    }
  }

  async #restart(): Promise<void> {
    this.#watcher?.stop();
    this.view.clear();
    ({ ipam: this.#ipam, claims: this.#claims, upkeep: this.#upkeep } = this.#startProcess());
    await this.#watch();
  }

  /** What was under way when the process died is still open. */
  async #afterCrash(): Promise<void> {
    const open = this.handles.find(({ state }) => state === "asked");
    if (open === undefined) return;
    try {
      if (open.afterCrash === "release") await this.release(open);
      if (open.afterCrash === "ask") this.#answered(open, await this.#ipam.addressesByHandle(open.id));
    } finally {
      if (open.state === "asked") open.state = "open";
    }
  }

  async #perform(operation: Operation): Promise<void> {
    const { ledger, scheduler } = this.#world;
    switch (operation.type) {
      case "assign":
        await this.#assign(operation, operation.afterCrash);
        return;
      case "assign-address":
        return this.#assignAddress(addressAt(operation.ordinal));
      case "release-handle":
        return this.#releaseOf(this, operation.own);
      case "release-others":
        return this.#releaseOf(this.#world.clients[operation.of], operation.own);
      case "release-address":
        return this.#releaseAddresses(operation.own, operation.guarded);
      case "claim": {
        this.#act({ name: `claim ${blockAt(operation.block)}` });
        await this.#claims.claim(blockAt(operation.block));
        return;
      }
      case "ensure-block": {
        this.#act({ name: "ensure a block" });
        const since = this.#world.nowMs();
        const block = await this.#tolerate(() => this.#ipam.ensureBlock(4), 4, 1, since);
        if (block === undefined) return;
        const owned = ledger.blocks.get(`${block}`)?.affinity === `host:${this.node}`;
        this.#expect(owned || ledger.changedAt(`${block}`) >= since, `is told that ${block} is its own`);
        return;
      }
      case "release-affinity": {
        const node = this.#world.clients[operation.of]?.node ?? this.node;
        const block = blockAt(operation.block);
        const { onlyEmpty } = operation;
        const releases = (cidr: string, owner: string) => !onlyEmpty && cidr === `${block}` && owner === node;
        this.#act({ name: `release ${block} of ${node}`, releases });
        await this.#claims.giveUp(node, block, { onlyEmpty: operation.onlyEmpty });
        return;
      }
      case "audit":
        return this.audit();
      case "collect":
        return this.collect();
      case "wait":
        return scheduler.sleep(operation.seconds * 1_000);
    }
  }

  async #assign(
    { count4, count6 }: { readonly count4: number; readonly count6: number },
    afterCrash: Handle["afterCrash"] = "forget",
  ): Promise<Handle | undefined> {
    const handle = this.#newHandle(afterCrash);
    const since = this.#world.nowMs();
    const request = { handleId: handle.id, attributes: { node: this.node }, intendedUse: "Workload" as const };
    this.#act({ name: `assign for ${handle.id}`, handleId: handle.id });
    let refused: Refusal | undefined;
    let given: readonly AssignedAddress[] = [];
    try {
      const { ipv4, ipv6 } = await this.#ipam.autoAssign({ ...request, count4, count6 });
      this.#expect(ipv4.length === count4 && ipv6.length === count6, "is given another number of addresses");
      given = [...ipv4, ...ipv6];
    } catch (error) {
      // The engine may have gone on to undo things when its process was dead already.
      if (!this.connection.alive) throw new Crash();
      refused = refusalOf(error);
      handle.state = "open";
      if (refused === undefined) throw error;
    }
    if (refused === undefined) {
      this.#answered(handle, given);
      return handle;
    }
    const left = this.#world.ledger.held(handle.id).length > 0 && !this.connection.hadTrouble;
    this.#expect(!left, `is refused addresses and has some: ${handle.id}`);
    const family = this.#world.enough(4, count4, since, this.node) ? 6 : 4;
    const enough = this.#world.enough(family, family === 4 ? count4 : count6, since, this.node);
    this.#expect(!enough || this.connection.hadTrouble, `is told that there are no addresses (${refused})`);
    return undefined;
  }

  async #assignAddress(address: ReturnType<typeof addressAt>): Promise<void> {
    const { ledger } = this.#world;
    const handle = this.#newHandle("forget");
    const since = this.#world.nowMs();
    this.#act({ name: `assign ${address} for ${handle.id}`, handleId: handle.id });
    try {
      const owner = { handleId: handle.id, attributes: { node: this.node } };
      this.#answered(handle, [await this.#ipam.assignAddress({ address, ...owner })]);
    } catch (error) {
      handle.state = "open";
      if (!(error instanceof CalibirdError)) throw error;
      const code = (error as IpamError).code;
      if (code === "ADDRESS_IN_USE")
        this.#expect(ledger.takenUntil(`${address}`) >= since, `is told that ${address} is in use`);
      else if (code !== "STRICT_AFFINITY") throw error;
    }
  }

  async #releaseOf(client: Client | undefined, own: number): Promise<void> {
    const handle = client?.handles.at(-1 - own);
    if (handle !== undefined) await this.release(handle);
  }

  async #releaseAddresses(own: number, guarded: boolean): Promise<void> {
    const { ledger } = this.#world;
    const handle = this.handles.at(-1 - own);
    if (handle?.state !== "answered") return;
    const tenures = handle.tenures;
    handle.released = true;
    const wanted = new Set(tenures.map(({ address }) => address));
    this.#act({
      name: `release addresses of ${handle.id}`,
      frees: (address, handleId) => handleId === handle.id && wanted.has(address),
    });
    try {
      await this.#ipam.releaseAddresses(
        tenures.map(({ address, sequence }) => ({
          address: IpAddress.parse(address),
          handleId: handle.id,
          ...(guarded && { sequenceNumber: sequence }),
        })),
      );
      this.#expect(
        tenures.every(({ ended }) => ended),
        `has released the addresses of ${handle.id}, which has some`,
      );
    } catch (error) {
      if (!(error instanceof CalibirdError) || error.code !== "ADDRESS_IN_USE") throw error;
      const others = tenures.some(({ address, ended }) => ended && ledger.holder(address) !== undefined);
      this.#expect(others, `is told that somebody else has an address of ${handle.id}`);
    }
  }

  /** Takes note of an answer: each address is the handle's since the request, unless it was released meanwhile. */
  #answered(handle: Handle, given: readonly AssignedAddress[]): void {
    const { ledger, clients } = this.#world;
    handle.state = "answered";
    for (const { address, block } of given) {
      const text = `${address}`;
      const tenure = ledger.tenures(handle.id).find((each) => each.address === text && each.fromMs >= handle.askedMs);
      this.#expect(block.containsAddress(address), `is given ${text} out of ${block}`);
      this.#expect(tenure !== undefined, `is given ${text}, which was never ${handle.id}'s`);
      this.#expect(
        handle.released || tenure?.ended === false,
        `is given ${text}, which is not ${handle.id}'s any more`,
      );
      const again = handle.tenures.some((each) => each.address === text);
      this.#expect(handle.released || !again, `is given ${text} twice`);
      if (tenure !== undefined) handle.tenures.push(tenure);
      for (const other of clients.flatMap(({ handles }) => handles))
        if (
          other !== handle &&
          !other.released &&
          !handle.released &&
          other.tenures.some((each) => each.address === text)
        )
          this.#expect(false, `is given ${text}, which ${other.id} was given before`);
    }
  }

  async #tolerate<T>(work: () => Promise<T>, family: 4 | 6, count: number, since: number): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const refused = refusalOf(error);
      if (refused === undefined) throw error;
      this.#expect(
        this.#world.absentBlocks(family, since) < count || this.connection.hadTrouble,
        `is told that there is no block (${refused})`,
      );
      return undefined;
    }
  }

  #newHandle(afterCrash: Handle["afterCrash"]): Handle {
    const handle: Handle = {
      id: `net.c${this.index}-${this.handles.length}`,
      afterCrash,
      askedMs: this.#world.nowMs(),
      state: "asked",
      released: false,
      tenures: [],
    };
    this.handles.push(handle);
    return handle;
  }

  #act(actor: Actor): void {
    this.connection.act({ ...actor, name: `client ${this.index} on ${this.node}, ${actor.name}` });
  }

  #expect(holds: boolean, text: string): void {
    if (!holds) this.#world.ledger.complain(`at ${this.#world.elapsedMs()} ms, ${this.connection.actor.name}: ${text}`);
  }

  #startProcess(): { ipam: Ipam; claims: BlockClaims; upkeep: Upkeep } {
    const { scheduler, pools } = this.#world;
    const { clock } = scheduler;
    const datastore = this.connection.open();
    const random = this.#random;
    const shared = { datastore, nodeName: this.node, clock, random, logger: silentLogger };
    const ipam = new Ipam({ ...shared, pools: () => pools, nodeLabels: () => ({}) });
    const claims = new BlockClaims(new IpamStore(datastore), this.node, clock, random);
    return { ipam, claims, upkeep: createUpkeep(this.#world, this.node, datastore, ipam, random) };
  }

  /** Follows who owns which block. Slow news are old, but never contradict themselves. */
  async #watch(): Promise<void> {
    const { clock } = this.#world.scheduler;
    this.#watcher = new BlockWatcher({
      datastore: this.connection.open(),
      clock,
      logger: silentLogger,
      onChange: (changes) => {
        for (const { block, node, state } of changes) {
          const nodes = this.view.get(`${block}`) ?? new Map<string, string>();
          this.view.set(`${block}`, nodes);
          if (state === "released") nodes.delete(node);
          else nodes.set(node, state);
        }
        for (const [block, nodes] of this.view)
          this.#expect(
            [...nodes.values()].filter((state) => state === "confirmed").length < 2,
            `sees two owners of ${block}`,
          );
      },
    });
    await this.#watcher.start();
  }
}

function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof CalibirdError)) return undefined;
  return error.code === "POOL_EXHAUSTED" || error.code === "BLOCK_LIMIT" ? error.code : undefined;
}

import type { Family } from "../packet/family.ts";
import type { Path } from "../paths.ts";
import type { Policy } from "../policy/types.ts";
import { BucketTable } from "./bucket.ts";
import type { Settled } from "./choice-table.ts";
import { type ExportIdentity, type ExportProfile, ExportRules } from "./export-rules.ts";
import type { GroupMember, Transfer } from "./lane.ts";
import { SlotChanges } from "./slot-changes.ts";
import { UpdateBatch } from "./update-batch.ts";
import { type GroupEnvironment, type GroupShared, UpdateGroup } from "./update-group.ts";
import { UpdateWriter } from "./update-writer.ts";

/** All update groups, found by what makes peers equal, and which group each peer is in. */
export class GroupTable {
  readonly #environment: GroupEnvironment;
  readonly #identity: ExportIdentity;
  readonly #groups = new Map<string, UpdateGroup>();
  readonly #shared: GroupShared;
  readonly #groupOf = new Map<GroupMember, UpdateGroup>();
  readonly #policyTexts = new WeakMap<Policy, string>();

  constructor(environment: GroupEnvironment, identity: ExportIdentity) {
    this.#environment = environment;
    this.#identity = identity;
    const { rib } = environment;
    const buckets = new BucketTable(rib.attributes);
    const batch = new UpdateBatch(rib, buckets, new UpdateWriter(rib, buckets));
    this.#shared = { buckets, batch, changes: new SlotChanges() };
  }

  /** A session is Established. */
  join(member: GroupMember, profile: ExportProfile): void {
    const group = this.#groupFor(profile);
    this.#groupOf.set(member, group);
    group.join(member);
  }

  /** A session is down. */
  leave(member: GroupMember): void {
    this.#groupOf.get(member)?.leave(member);
    this.#groupOf.delete(member);
    this.#dropEmpty();
  }

  /** Members whose profile may have changed. Those who move together stay together and get only the difference. */
  regroup(profiles: ReadonlyMap<GroupMember, ExportProfile>): void {
    const moves = new Map<UpdateGroup, Map<UpdateGroup, Set<GroupMember>>>();
    for (const [member, profile] of profiles) {
      const from = this.#groupOf.get(member);
      const to = this.#groupFor(profile);
      if (from === undefined || from === to) continue;
      const targets = moves.get(from) ?? new Map<UpdateGroup, Set<GroupMember>>();
      moves.set(from, targets);
      const moving = targets.get(to) ?? new Set();
      targets.set(to, moving.add(member));
    }
    const transfers: { to: UpdateGroup; transfer: Transfer }[] = [];
    for (const [from, targets] of moves)
      for (const [to, members] of targets)
        for (const transfer of from.extract(members)) transfers.push({ to, transfer });
    for (const { to, transfer } of transfers) {
      to.adopt(transfer);
      for (const member of transfer.members) this.#groupOf.set(member, to);
    }
    this.#dropEmpty();
  }

  /** Something was said about these prefixes; groups that tell of one path hear of those whose best one changed. */
  apply({ changed, touched }: Settled): void {
    for (const group of this.#groups.values()) group.apply(group.addsPaths ? touched : changed);
  }

  /** Runs the whole Loc-RIB through all rules again: something besides the routes changed. */
  reload(): void {
    for (const group of this.#groups.values()) group.reload();
  }

  refresh(member: GroupMember, family: Family): void {
    this.#groupOf.get(member)?.refresh(member, family);
  }

  onWritable(member: GroupMember): void {
    this.#groupOf.get(member)?.onWritable(member);
  }

  /** Does a bounded part of the work of every group; true if some is left. */
  work(limit: number): boolean {
    let left = false;
    for (const group of this.#groups.values()) left = group.work(limit) || left;
    return left;
  }

  /** True if no group holds a destination for later. */
  get idle(): boolean {
    for (const group of this.#groups.values()) if (!group.idle) return false;
    return true;
  }

  countFor(member: GroupMember): number {
    return this.#groupOf.get(member)?.countFor(member) ?? 0;
  }

  pathsFor(member: GroupMember): Iterable<Path> {
    return this.#groupOf.get(member)?.pathsFor(member) ?? [];
  }

  #groupFor(profile: ExportProfile): UpdateGroup {
    const key = this.#keyOf(profile);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new UpdateGroup(new ExportRules(profile, this.#identity), this.#environment, this.#shared);
      this.#groups.set(key, group);
    }
    return group;
  }

  #keyOf({ policy, ...others }: ExportProfile): string {
    let text = this.#policyTexts.get(policy);
    if (text === undefined) {
      text = JSON.stringify(policy);
      this.#policyTexts.set(policy, text);
    }
    return `${JSON.stringify(others)}\n${text}`;
  }

  #dropEmpty(): void {
    for (const [key, group] of this.#groups) {
      if (group.size > 0) continue;
      this.#groups.delete(key);
      group.close();
    }
  }
}

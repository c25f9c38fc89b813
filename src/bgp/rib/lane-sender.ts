import type { Prefix } from "../../net/prefix.ts";
import type { BgpPacketError } from "../packet/errors.ts";
import type { CodecContext } from "../packet/message.ts";
import type { AdjRibOut } from "./adj-rib-out.ts";
import { type BucketTable, noBucket } from "./bucket.ts";
import type { GroupMember, Lane } from "./lane.ts";
import type { Slot } from "./path-slots.ts";
import type { TableWalk } from "./table-walk.ts";
import type { UpdateBatch } from "./update-batch.ts";

/** How many empty places are looked at in the time that it takes to tell of one. */
const looksPerPlace = 16;

interface SenderEnvironment {
  readonly batch: UpdateBatch;
  readonly onUnencodable: (prefixes: readonly Prefix[], error: BgpPacketError) => void;
}

/** Tells lanes of one group what they do not know of its Adj-RIB-Out, a bounded part at a time. */
export class LaneSender {
  readonly #out: AdjRibOut;
  readonly #buckets: BucketTable;
  readonly #context: CodecContext;
  readonly #environment: SenderEnvironment;
  readonly #batch: UpdateBatch;
  /** The last change from one bucket to another, since routes of one UPDATE come one after another. */
  readonly #last = { told: noBucket, wanted: noBucket, isSeen: false, losers: [] as readonly GroupMember[] };

  constructor(out: AdjRibOut, buckets: BucketTable, context: CodecContext, environment: SenderEnvironment) {
    this.#out = out;
    this.#buckets = buckets;
    this.#context = context;
    this.#environment = environment;
    this.#batch = environment.batch;
  }

  /** Sends about `limit` places; members that ask to stop are blocked then. */
  send(lane: Lane, limit: number): void {
    this.#batch.begin(this.#context);
    this.#last.told = noBucket;
    const count = Math.min(limit, lane.pending.size);
    for (let index = 0; index < count; index++)
      this.#tell(lane, lane.pending.slotAt(index), lane.pending.bucketAt(index));
    if (lane.walk !== undefined && count < limit) this.#walkOn(lane, lane.walk, limit - count);
    // Before anything is sent: a session that ends meanwhile may take the lane along.
    lane.dropPending(count);
    for (const member of this.#batch.send(lane.members, this.#environment.onUnencodable)) lane.block(member);
  }

  #walkOn(lane: Lane, walk: TableWalk, limit: number): void {
    let effort = limit * looksPerPlace;
    const prefixEnd = Math.max(this.#out.prefixEnd, walk.told?.prefixEnd ?? 0);
    for (; effort > 0 && walk.prefix < prefixEnd; walk.prefix++) effort -= this.#pass(lane, walk, walk.prefix);
    const pathEnd = Math.max(this.#out.pathEnd, walk.told?.pathEnd ?? 0);
    for (; effort > 0 && walk.path < pathEnd; walk.path++) effort -= this.#pass(lane, walk, ~walk.path);
    if (walk.prefix >= prefixEnd && walk.path >= pathEnd) lane.endWalk();
  }

  /** How much effort it was. */
  #pass(lane: Lane, walk: TableWalk, slot: Slot): number {
    const told = walk.told?.get(slot) ?? noBucket;
    if (told === noBucket && this.#out.get(slot) === noBucket) return 1;
    this.#tell(lane, slot, told, walk);
    return looksPerPlace;
  }

  #tell(lane: Lane, slot: Slot, told: number, walk?: TableWalk): void {
    const wanted = this.#out.get(slot);
    if (wanted === noBucket) {
      if (told !== noBucket) this.#batch.withdraw(slot);
    } else if (told === noBucket) this.#batch.announce(slot, wanted);
    else if (told !== wanted && this.#isSeen(lane, told, wanted)) {
      this.#batch.announce(slot, wanted);
      for (const member of this.#last.losers) this.#batch.withdrawFrom(member, slot);
    } else if (walk !== undefined && walk.repeated.size > 0 && this.#batch.isOf(slot, walk.repeated))
      this.#batch.announce(slot, wanted);
  }

  /** True if peers notice the change; then `#last` says who must not hear of the route any more. */
  #isSeen(lane: Lane, told: number, wanted: number): boolean {
    const last = this.#last;
    if (last.told !== told || last.wanted !== wanted) {
      last.told = told;
      last.wanted = wanted;
      last.isSeen = !this.#buckets.looksTheSame(told, wanted);
      last.losers = this.#losers(lane, told, wanted);
    }
    return last.isSeen;
  }

  /** Members that may hear of a route as it was, and not as it is. */
  #losers(lane: Lane, told: number, wanted: number): readonly GroupMember[] {
    const buckets = this.#buckets;
    if (buckets.excludeTheSame(told, wanted)) return [];
    return [...lane.members].filter(
      (member) => buckets.isExcluded(wanted, member) && !buckets.isExcluded(told, member),
    );
  }
}

import { Origin, type PathAttributes } from "../../bgp/packet/attributes.ts";
import { localPreferenceOf, normalMetric } from "./priority.ts";

/** Attributes of the routes that this node originates: its blocks, and addresses borrowed from others' blocks. */
export const originatedAttributes: PathAttributes = {
  origin: Origin.igp,
  asPath: [],
  localPref: localPreferenceOf(normalMetric),
  atomicAggregate: false,
  communities: [],
  extendedCommunities: [],
  largeCommunities: [],
  clusterList: [],
  unknown: [],
};

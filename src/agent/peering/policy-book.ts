import type { Policy } from "../../bgp/policy/types.ts";
import { filterRules, type NamedFilter } from "./filter-rules.ts";

/** The two policies of a session. */
export interface PeerPolicies {
  readonly importPolicy: Policy;
  readonly exportPolicy: Policy;
}

/**
 * The policies of sessions by the filters that they name. Sessions with the same filters get the same objects, which the
 * speaker compares by identity first.
 */
export class PolicyBook {
  readonly #base: PeerPolicies;
  readonly #filters: (name: string) => NamedFilter["spec"];
  readonly #policies = new Map<string, PeerPolicies>();

  /** `base` is what holds without filters, and behind them for what they do not decide. */
  constructor(base: PeerPolicies, filters: (name: string) => NamedFilter["spec"]) {
    this.#base = base;
    this.#filters = filters;
  }

  /** For a session of a BGPPeer with these `filters`, in their order. */
  policiesFor(names: readonly string[]): PeerPolicies {
    if (names.length === 0) return this.#base;
    const key = JSON.stringify(names);
    let policies = this.#policies.get(key);
    if (policies === undefined) {
      const filters = names.map((name) => ({ name, spec: this.#filters(name) }));
      const { importPolicy, exportPolicy } = this.#base;
      policies = {
        importPolicy: {
          ...importPolicy,
          rules: [...filters.flatMap((filter) => filterRules(filter, "import")), ...importPolicy.rules],
        },
        exportPolicy: {
          ...exportPolicy,
          rules: [...filters.flatMap((filter) => filterRules(filter, "export")), ...exportPolicy.rules],
        },
      };
      this.#policies.set(key, policies);
    }
    return policies;
  }
}

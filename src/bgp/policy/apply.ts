import { assertNever } from "../../core/errors.ts";
import { prependAs } from "../as-path.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import { hasLargeCommunity, looksAtRoute, matchesRoute, mayMatch, type PolicyRoute } from "./match.ts";
import type { Policy, PolicyOperation, PolicyRule } from "./types.ts";

/** What a policy did with a route. */
export type PolicyResult =
  | { readonly action: "accept"; readonly rule: string; readonly attributes: PathAttributes }
  | { readonly action: "reject"; readonly rule: string };

/** The name that stands for a policy's default action where a rule's name is shown. */
const defaultRuleName = "default";

/** Applies `policy` to `route`: the first rule that matches and does not continue decides. Pure; attributes that no operation changed come back as the same object. */
export function applyPolicy(policy: Policy, route: PolicyRoute): PolicyResult {
  return evaluate(policy, route, operate);
}

function evaluate(
  policy: Policy,
  route: PolicyRoute,
  operateOn: (rule: PolicyRule, attributes: PathAttributes) => PathAttributes,
): PolicyResult {
  let current = route;
  for (const rule of policy.rules) {
    if (!matchesRoute(rule.match, current)) continue;
    if (rule.action === "reject") return { action: "reject", rule: rule.name };
    const attributes = operateOn(rule, current.attributes);
    if (rule.action === "accept") return { action: "accept", rule: rule.name, attributes };
    if (attributes !== current.attributes) current = { ...current, attributes };
  }
  if (policy.defaultAction === "reject") return { action: "reject", rule: defaultRuleName };
  return { action: "accept", rule: defaultRuleName, attributes: current.attributes };
}

/** What a policy does with all routes that are alike: lets them pass as they are, or rejects them by a rule. */
export type CommonVerdict = { readonly action: "accept" } | { readonly action: "reject"; readonly rule: string };

const passes: CommonVerdict = { action: "accept" };

/** What `policy` does with every route that is like this, whatever its attributes and its interface are; undefined if that depends on them. */
export function commonVerdict(
  policy: Policy,
  route: Omit<PolicyRoute, "attributes" | "interface">,
): CommonVerdict | undefined {
  let mayChange = false;
  for (const { match, action, name, operations = [] } of policy.rules) {
    if (!mayMatch(match, route)) continue;
    if (action !== "continue" && looksAtRoute(match)) return undefined;
    if (action === "reject") return { action: "reject", rule: name };
    if (operations.length > 0) mayChange = true;
    if (action === "accept") return mayChange ? undefined : passes;
  }
  if (policy.defaultAction === "reject") return { action: "reject", rule: defaultRuleName };
  return mayChange ? undefined : passes;
}

/**
 * A policy that remembers what its operations made of a set of attributes, so that all routes of one UPDATE get one shared
 * result. `intern` makes results of equal content the same object.
 */
export class PolicyRunner {
  readonly policy: Policy;
  readonly #intern: (attributes: PathAttributes) => PathAttributes;
  readonly #results = new Map<PolicyRule, WeakMap<PathAttributes, PathAttributes>>();

  constructor(policy: Policy, intern: (attributes: PathAttributes) => PathAttributes) {
    this.policy = policy;
    this.#intern = intern;
  }

  /** As `applyPolicy`, with interned attributes. */
  apply(route: PolicyRoute): PolicyResult {
    return evaluate(this.policy, route, (rule, attributes) => this.#operate(rule, attributes));
  }

  #operate(rule: PolicyRule, attributes: PathAttributes): PathAttributes {
    if (rule.operations === undefined || rule.operations.length === 0) return attributes;
    let results = this.#results.get(rule);
    if (results === undefined) {
      results = new WeakMap();
      this.#results.set(rule, results);
    }
    let result = results.get(attributes);
    if (result === undefined) {
      result = this.#intern(operate(rule, attributes));
      results.set(attributes, result);
    }
    return result;
  }
}

/** Two policies are equal if they read the same. */
export function policiesEqual(left: Policy | undefined, right: Policy | undefined): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right);
}

function operate(rule: PolicyRule, attributes: PathAttributes): PathAttributes {
  return (rule.operations ?? []).reduce(applyOperation, attributes);
}

function applyOperation(attributes: PathAttributes, operation: PolicyOperation): PathAttributes {
  switch (operation.type) {
    case "set-local-pref":
      return operation.value === attributes.localPref ? attributes : { ...attributes, localPref: operation.value };
    case "set-med": {
      const { med, ...others } = attributes;
      if (operation.value === med) return attributes;
      return operation.value === undefined ? others : { ...others, med: operation.value };
    }
    case "add-communities": {
      const added = [...new Set(operation.communities)].filter((item) => !attributes.communities.includes(item));
      return added.length === 0 ? attributes : { ...attributes, communities: [...attributes.communities, ...added] };
    }
    case "add-large-communities": {
      const largeCommunities = [...attributes.largeCommunities];
      for (const item of operation.communities)
        if (!hasLargeCommunity(largeCommunities, item)) largeCommunities.push(item);
      return largeCommunities.length === attributes.largeCommunities.length
        ? attributes
        : { ...attributes, largeCommunities };
    }
    case "prepend-as-path":
      return operation.asNumbers.length === 0
        ? attributes
        : { ...attributes, asPath: prependAs(attributes.asPath, operation.asNumbers) };
    default:
      return assertNever(operation, "policy operation");
  }
}

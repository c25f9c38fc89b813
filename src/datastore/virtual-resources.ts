import type { ResourceKind } from "../resources/kinds.ts";
import { DEFAULT_ALLOW_PROFILE } from "../resources/policy/profile.ts";
import { API_VERSION, type Resource } from "../resources/resource.ts";

/** Calico behaves as if this profile were stored. */
const defaultAllowProfile: Resource<"Profile"> = {
  kind: "Profile",
  apiVersion: API_VERSION,
  metadata: { name: DEFAULT_ALLOW_PROFILE, resourceVersion: "1" },
  spec: { ingress: [{ action: "Allow" }], egress: [{ action: "Allow" }] },
};

/** Objects of a kind that are always there and never stored. */
export function virtualResources<Kind extends ResourceKind>(kind: Kind): readonly Resource<Kind>[] {
  return kind === "Profile" ? ([defaultAllowProfile] as unknown as readonly Resource<Kind>[]) : [];
}

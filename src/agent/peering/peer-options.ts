import { type Family, families } from "../../bgp/packet/family.ts";
import type { PrefixLimitSettings } from "../../bgp/rib/prefix-limit.ts";
import type { LocalAsTreatment, RouteTreatment } from "../../bgp/route-treatment.ts";
import type { AddPathSettings, PeerConfig } from "../../bgp/types.ts";

type Overridden =
  | "bfd"
  | "extendedMessages"
  | "holdTimeSec"
  | "longLivedGracefulRestart"
  | "passive"
  | "role"
  | "shutdown";

/** What of a session's configuration Calico's schema has no field for. What is absent stays as it is otherwise. */
export interface PeerOptions extends Partial<Pick<PeerConfig, Overridden>> {
  /** Of each family that the session has. */
  readonly maxPrefix?: PrefixLimitSettings;
  /** Of each family that the session has; false does not offer it. */
  readonly addPath?: AddPathSettings | false;
  readonly families?: readonly Family[];
  readonly localAs?: Omit<LocalAsTreatment, "realAs">;
  readonly treatment?: Omit<RouteTreatment, "localAs">;
}

/** The configuration with the options of its resource. `realAs` is our AS number but for this session. */
export function withPeerOptions(config: PeerConfig, options: PeerOptions, realAs: number): PeerConfig {
  const { maxPrefix, addPath, families: wanted, localAs, treatment, ...overridden } = options;
  const sessionFamilies = wanted ?? config.families;
  const perFamily = <Value>(value: Value) =>
    Object.fromEntries(families.filter((family) => sessionFamilies.includes(family)).map((family) => [family, value]));
  const { addPath: usualAddPath, ...others } = config;
  const [usual] = Object.values(usualAddPath ?? {});
  const chosen = addPath ?? usual;
  const treated = {
    ...config.treatment,
    ...treatment,
    ...(localAs !== undefined && { localAs: { ...localAs, realAs } }),
  };
  return {
    ...others,
    ...overridden,
    families: sessionFamilies,
    ...(chosen && { addPath: perFamily(chosen) }),
    ...(maxPrefix !== undefined && { maxPrefix: perFamily(maxPrefix) }),
    ...(Object.keys(treated).length > 0 && { treatment: treated }),
  };
}

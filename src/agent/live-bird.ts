import { CalibirdError } from "../core/errors.ts";
import { RouteProtocol } from "../netlink/types.ts";
import { answers } from "./api/unix-server.ts";

type LiveBirdErrorCode = "CALICO_IS_RUNNING";

/** Calico's own programs work on this node's routes. */
class LiveBirdError extends CalibirdError<LiveBirdErrorCode> {}

/** Where Calico's BIRD answers `birdc`. */
const controlSocket = "/var/run/calico/bird.ctl";

/**
 * Throws `CALICO_IS_RUNNING` if the agent shall write or take routes of BIRD's or Felix's protocol number while BIRD answers
 * on its control socket: both would delete each other's routes without end.
 */
export async function checkNoLiveBird(
  settings: { readonly routeProtocol: number; readonly takeoverProtocols: readonly number[] | undefined },
  socketPath = controlSocket,
): Promise<void> {
  const wanted = [settings.routeProtocol, ...(settings.takeoverProtocols ?? [])];
  const calicos = wanted.filter((protocol) => protocol === RouteProtocol.bird || protocol === RouteProtocol.felix);
  if (calicos.length === 0 || !(await answers(socketPath))) return;
  throw new LiveBirdError(
    "CALICO_IS_RUNNING",
    `BIRD answers on ${socketPath}: routes of protocol ${calicos.join(" and ")} are Calico's while it runs on this node; ` +
      "stop calico-node first, or leave --route-protocol and --takeover-protocols at their defaults",
    { socketPath },
  );
}

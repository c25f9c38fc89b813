import { errorMessage } from "../../core/errors.ts";
import type { Netlink, NetlinkRequest } from "../../netlink/types.ts";
import { TunnelError } from "./errors.ts";
import type { DeviceKind, DeviceStep } from "./types.ts";

/** What a deletion of something that is gone already fails with. */
const alreadyGone: readonly string[] = ["ENOENT", "ESRCH", "ENODEV", "ENXIO", "EADDRNOTAVAIL"];

interface Target {
  readonly netlink: Pick<Netlink, "execute">;
  readonly kind: Pick<DeviceKind<never, never>, "explain">;
  /** Of the device. */
  readonly name: string;
}

/** Does all steps, the requests in one batch before the others; then throws the first failure as a TunnelError, if any. */
export async function applySteps({ netlink, kind, name }: Target, steps: readonly DeviceStep[]): Promise<void> {
  const requests = steps.flatMap((step) => ("request" in step ? [step.request] : []));
  const failures: TunnelError[] = [];
  const results = requests.length === 0 ? [] : await netlink.execute(requests);
  for (const [index, request] of requests.entries()) {
    const result = results[index];
    if (result === undefined || result.ok) continue;
    if (request.op.endsWith("-delete") && alreadyGone.includes(result.code)) continue;
    failures.push(kind.explain(request, result.code) ?? refused(name, request, result));
  }
  for (const step of steps) {
    if ("request" in step) continue;
    try {
      step.run();
    } catch (error) {
      const message = `${step.what} of ${name} cannot be set: ${errorMessage(error)}`;
      failures.push(new TunnelError("KERNEL_REFUSED", message, { device: name, step: step.what }, error));
    }
  }
  const [first] = failures;
  if (first !== undefined) throw first;
}

function refused(
  name: string,
  request: NetlinkRequest,
  result: { readonly errno: number; readonly code: string; readonly message: string },
): TunnelError {
  const { errno, code, message } = result;
  const text = `the kernel refuses ${request.op} for ${name}: ${code}: ${message}`;
  return new TunnelError("KERNEL_REFUSED", text, { device: name, step: request.op, errno, errnoName: code });
}

import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { NetlinkError } from "../netlink/errors.ts";
import { type OpenNamespace, openNamespace } from "../netlink/namespace.ts";
import { openDirectNetlink } from "../netlink/open.ts";
import type { SysctlOptions } from "../netlink/sysctl.ts";
import type { InterfaceAddress, NetlinkAccess, NetlinkRequest } from "../netlink/types.ts";
import { EndpointError } from "./errors.ts";
import { readSetting, writeSetting } from "./host-settings.ts";
import { checkInterfaceName } from "./names.ts";
import { observeEndpoint } from "./observe.ts";
import { planEndpoint, planVeth, type Step } from "./plan.ts";
import { podSysctls } from "./sysctls.ts";
import {
  type EndpointInspection,
  type EndpointSpec,
  hostMacAddress,
  type ObservedEndpoint,
  type WiredEndpoint,
} from "./types.ts";

/** How long the kernel (a link-local address) and others (a MAC address that udev resets) may take to come round. */
const settleLimitMs = 5000;
const settlePauseMs = 50;

/** Few things live in a pod's namespace. */
const podReceiveBufferBytes = 2 ** 20;

interface EndpointWiringOptions {
  /** Of the host's namespace. */
  readonly netlink: NetlinkAccess;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The host's namespace, if that is not the one that this thread is in. */
  readonly hostNamespace?: { readonly path: string };
}

/** Both namespaces of one endpoint while it is worked on. */
interface Access {
  readonly pod: NetlinkAccess;
  readonly namespace: OpenNamespace;
  readonly spec: EndpointSpec;
}

/**
 * Wires pods, level-triggered: look, list the differences, remove them, look again, until there are none. A new pod, one
 * from before a restart and a repeated request are thus the same thing. The caller sees to it that one pod is not worked
 * on twice at a time.
 */
export class EndpointWiring {
  readonly #netlink: NetlinkAccess;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #hostSysctls: SysctlOptions;

  constructor({ netlink, clock, logger, hostNamespace }: EndpointWiringOptions) {
    this.#netlink = netlink;
    this.#clock = clock;
    this.#logger = logger.child({ part: "endpoint" });
    this.#hostSysctls = hostNamespace === undefined ? {} : { namespace: hostNamespace };
  }

  /**
   * Wires a pod, or repairs what differs if it is wired already. If anything fails, all that this call has made is
   * undone. A leftover host veth of the same name is replaced. Throws EndpointError, or NetlinkError if netlink is gone.
   */
  async wire(spec: EndpointSpec): Promise<WiredEndpoint> {
    checkSpec(spec);
    return await this.#withPod(spec, async (access) => {
      const undo: (() => Promise<void>)[] = [];
      try {
        const created = await this.#makeVeth(access, undo);
        const { hostLink: host, podLink: container } = await this.#settle(access);
        if (host === undefined || container?.macAddress === undefined)
          throw new EndpointError("NOT_SETTLED", `the veth ${spec.hostInterfaceName} has gone while it was wired`);
        return { host, container, containerMacAddress: container.macAddress, created };
      } catch (error) {
        for (const step of undo.reverse()) await this.#attempt(step, spec);
        throw error;
      }
    });
  }

  /** Says what exists of an endpoint and how it differs from what it shall be, and changes nothing. */
  async inspect(spec: EndpointSpec): Promise<EndpointInspection> {
    checkSpec(spec);
    try {
      return await this.#withPod(spec, async (access) => {
        const observed = await this.#observe(access);
        if (planVeth(spec, observed) !== undefined)
          return { state: "absent", differences: [`no veth ${spec.hostInterfaceName} to the pod`] };
        const differences = planEndpoint(spec, observed).map(({ what }) => what);
        return {
          state: differences.length === 0 ? "wired" : "differs",
          differences,
          ...(observed.hostLink === undefined ? {} : { host: observed.hostLink }),
          ...(observed.podLink === undefined ? {} : { container: observed.podLink }),
        };
      });
    } catch (error) {
      if (!(error instanceof EndpointError)) throw error;
      const isAbsent = error.code === "NAMESPACE_UNAVAILABLE" || error.code === "INTERFACE_EXISTS";
      return { state: isAbsent ? "absent" : "differs", differences: [error.message] };
    }
  }

  /**
   * Removes a pod's veth, both ends; the pod's routes and addresses go with it. Returns false if there was none, which is
   * no error. Throws `INTERFACE_EXISTS` if the name is not that of a veth.
   */
  async unwire(hostInterfaceName: string): Promise<boolean> {
    checkInterfaceName("hostInterfaceName", hostInterfaceName);
    const link = (await this.#netlink.links()).find(({ name }) => name === hostInterfaceName);
    if (link === undefined) return false;
    if (link.kind !== "veth")
      throw new EndpointError(
        "INTERFACE_EXISTS",
        `${hostInterfaceName} is ${link.kind ?? "a physical interface"}, not the veth of a pod`,
        { interface: hostInterfaceName, kind: link.kind },
      );
    return await deleteLink(this.#netlink, link.index, hostInterfaceName);
  }

  async #withPod<Result>(spec: EndpointSpec, run: (access: Access) => Promise<Result>): Promise<Result> {
    const path = spec.namespacePath;
    let namespace: OpenNamespace | undefined;
    let pod: NetlinkAccess;
    try {
      namespace = openNamespace(path);
      pod = openDirectNetlink({ namespace: { path }, receiveBufferBytes: podReceiveBufferBytes });
    } catch (error) {
      namespace?.close();
      if (!(error instanceof NetlinkError)) throw error;
      throw new EndpointError("NAMESPACE_UNAVAILABLE", `namespacePath: ${error.message}`, { path }, error);
    }
    try {
      return await run({ pod, namespace, spec });
    } finally {
      namespace.close();
      await pod.close();
    }
  }

  #observe({ pod, spec }: Access): Promise<ObservedEndpoint> {
    return observeEndpoint(this.#netlink, pod, (path) => readSetting(path, this.#hostSysctls), spec);
  }

  /** Makes the veth unless it is there, with the settings that a new pod gets; returns whether it did. */
  async #makeVeth(access: Access, undo: (() => Promise<void>)[]): Promise<boolean> {
    const { spec, pod, namespace } = access;
    const observed = await this.#observe(access);
    const veth = planVeth(spec, observed);
    if (veth === undefined) return false;
    if (veth.leftover && observed.hostLink !== undefined) {
      this.#logger.info({ interface: spec.hostInterfaceName }, "replacing a leftover host interface");
      await deleteLink(this.#netlink, observed.hostLink.index, spec.hostInterfaceName);
    }
    const mtu = spec.mtu === undefined ? {} : { mtu: spec.mtu };
    const macAddress = spec.containerMacAddress === undefined ? {} : { macAddress: spec.containerMacAddress };
    await perform(this.#netlink, [
      {
        what: `veth ${spec.hostInterfaceName}`,
        request: {
          op: "link-add",
          link: {
            kind: "veth",
            name: spec.hostInterfaceName,
            macAddress: hostMacAddress,
            ...mtu,
            peer: { name: spec.containerInterfaceName, namespace, ...mtu, ...macAddress },
          },
        },
      },
    ]);
    undo.push(async () => void (await this.unwire(spec.hostInterfaceName)));
    const { podLoopback } = observed;
    if (podLoopback?.up === false) undo.push(() => resetLoopback(pod, podLoopback.index, observed.podAddresses));
    const options = { namespace: { path: spec.namespacePath } };
    for (const sysctl of podSysctls(spec.containerInterfaceName, spec.addresses, spec.allowForwarding ?? false)) {
      const before = readSetting(sysctl.path, options);
      if (before !== undefined && before !== sysctl.value)
        undo.push(async () => writeSetting({ ...sysctl, value: before, optional: true }, options));
      writeSetting(sysctl, options);
    }
    return true;
  }

  /** Removes differences until a last look finds none. Throws `NOT_SETTLED` if they keep coming back. */
  async #settle(access: Access): Promise<ObservedEndpoint> {
    const deadlineMs = this.#clock.monotonicMs() + settleLimitMs;
    for (let round = 0; ; round++) {
      const observed = await this.#observe(access);
      const steps = planEndpoint(access.spec, observed);
      if (steps.length === 0) return observed;
      const missing = steps.map(({ what }) => what);
      if (this.#clock.monotonicMs() > deadlineMs)
        throw new EndpointError(
          "NOT_SETTLED",
          `${access.spec.hostInterfaceName} is still without ${missing.join(", ")} after ${settleLimitMs} ms`,
          { interface: access.spec.hostInterfaceName, missing },
        );
      // The first two rounds make what is missing; from then on we wait for others.
      if (round > 1) await new Promise<void>((resolve) => this.#clock.setTimer(settlePauseMs, resolve));
      await this.#perform(access, steps);
    }
  }

  async #perform({ pod }: Access, steps: readonly Step[]): Promise<void> {
    for (const step of steps) if ("sysctl" in step) writeSetting(step.sysctl, this.#hostSysctls);
    const requestsOf = (side: Step["side"]) =>
      steps.flatMap((step) => ("request" in step && step.side === side ? [step] : []));
    await perform(this.#netlink, requestsOf("host"));
    await perform(pod, requestsOf("pod"));
  }

  /** The error that led to undoing is the one to be told; one on the way back is only logged. */
  async #attempt(step: () => Promise<void>, spec: EndpointSpec): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#logger.error({ interface: spec.hostInterfaceName, err: errorMessage(error) }, "undoing a wiring failed");
    }
  }
}

/** Throws `KERNEL_REFUSED` with the first refusal. */
async function perform(
  netlink: NetlinkAccess,
  steps: readonly { readonly what: string; readonly request: NetlinkRequest }[],
): Promise<void> {
  if (steps.length === 0) return;
  const results = await netlink.execute(steps.map(({ request }) => request));
  for (const [index, result] of results.entries()) {
    if (result.ok) continue;
    const what = steps[index]?.what ?? "";
    throw new EndpointError("KERNEL_REFUSED", `${what}: ${result.code}: ${result.message}`, {
      what,
      errno: result.errno,
      errnoName: result.code,
    });
  }
}

/** Returns false if it was gone already. */
async function deleteLink(netlink: NetlinkAccess, index: number, name: string): Promise<boolean> {
  try {
    await perform(netlink, [{ what: `removal of ${name}`, request: { op: "link-delete", link: index } }]);
    return true;
  } catch (error) {
    if (error instanceof EndpointError && error.details.errnoName === "ENODEV") return false;
    throw error;
  }
}

/** Takes the loopback down again, and from it the address that the kernel gave it when it went up. */
async function resetLoopback(pod: NetlinkAccess, index: number, before: readonly InterfaceAddress[]): Promise<void> {
  const isNew = ({ interfaceIndex, address }: InterfaceAddress): boolean =>
    interfaceIndex === index && !before.some((held) => held.interfaceIndex === index && held.address.equals(address));
  await perform(pod, [{ what: "lo down", request: { op: "link-set", link: index, change: { up: false } } }]);
  const added = (await pod.addresses()).filter(isNew);
  await perform(
    pod,
    added.map((address) => ({ what: `removal of ${address.address}`, request: { op: "address-delete", address } })),
  );
}

/** Smallest MTU that IPv4 allows (RFC 791), and the largest of a veth. */
const mtuRange = { minimum: 68, maximum: 65_535 } as const;

function checkSpec(spec: EndpointSpec): void {
  checkInterfaceName("hostInterfaceName", spec.hostInterfaceName);
  checkInterfaceName("containerInterfaceName", spec.containerInterfaceName);
  const { mtu } = spec;
  if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= mtuRange.minimum && mtu <= mtuRange.maximum))
    throw new EndpointError(
      "INVALID_ENDPOINT",
      `mtu ${mtu} must be an integer from ${mtuRange.minimum} to ${mtuRange.maximum}`,
      { field: "mtu", value: mtu },
    );
  if (spec.addresses.length === 0)
    throw new EndpointError("INVALID_ENDPOINT", "addresses [] must have at least one address", {
      field: "addresses",
      value: [],
    });
}

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { podInterfaceName } from "../../endpoint/names.ts";
import type { EndpointWiring } from "../../endpoint/wiring.ts";
import type { AddressOwner } from "../../ipam/block.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import { podOwner } from "../../ipam/owners.ts";
import { Prefix } from "../../net/prefix.ts";
import { createNamespace, defaultNamespaceDirectory, deleteNamespace } from "../../netlink/namespace.ts";
import type { RoutingEngine } from "../routing/engine.ts";
import {
  type PodRecord,
  podEndpointName,
  podFromResource,
  podIdentity,
  podInterface,
  podToResource,
} from "./pod-record.ts";

type PodErrorCode = "INVALID_POD";

/** A pod that cannot be made or removed. */
class PodError extends CalibirdError<PodErrorCode> {}

export interface PodManagerOptions {
  readonly nodeName: string;
  readonly wiring: EndpointWiring;
  readonly ipam: Ipam;
  readonly client: ResourceClient;
  readonly engine: RoutingEngine;
  readonly logger: Logger;
  /** How the names of host interfaces begin. */
  readonly interfacePrefix: string;
  /** When the pod was made, for IPAM's attributes: Unix milliseconds. */
  readonly nowMs: () => number;
}

/**
 * The pods of this node: address, namespace, wiring, record and route of each, made in this order and undone in reverse.
 * What exists is kept in WorkloadEndpoint resources, so that a restarted agent finds its pods again.
 */
export class PodManager {
  readonly #options: PodManagerOptions;
  readonly #pods = new Map<string, PodRecord>();
  /** The last operation on each pod; the next one waits for it. */
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(options: PodManagerOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#pods.size;
  }

  list(): PodRecord[] {
    return [...this.#pods.values()].sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  }

  /** Adopts the pods of an earlier run: their wiring is checked and repaired, their traffic not touched. */
  async recover(): Promise<void> {
    const { client, nodeName, logger } = this.#options;
    const { resources } = await client.list("WorkloadEndpoint");
    const own = resources.filter(({ spec }) => spec.node === nodeName);
    for (const resource of own) {
      const pod = podFromResource(resource);
      if (pod === undefined) continue;
      try {
        if (pod.namespacePath !== undefined) await this.#wire(pod, pod.namespacePath);
      } catch (error) {
        // Its namespace is gone, as after a reboot. The record stays until somebody deletes the pod.
        logger.warn({ pod: keyOf(pod), error: errorMessage(error) }, "a pod of an earlier run cannot be wired");
        continue;
      }
      this.#adopt(pod);
    }
  }

  /** Makes a pod; one that exists is returned as it is. Whatever fails, nothing half-made remains. */
  add(request: { namespace: string; name: string; networkNamespace?: string }): Promise<PodRecord> {
    return this.#inTurn(keyOf(request), async () => {
      const existing = this.#pods.get(keyOf(request));
      if (existing !== undefined) return existing;
      const undo: (() => Promise<unknown>)[] = [];
      try {
        return await this.#make(request, undo);
      } catch (error) {
        await this.#undo(keyOf(request), undo);
        throw error;
      }
    });
  }

  /** Undoes `add`. A pod that is not there is no failure. */
  remove(namespace: string, name: string): Promise<void> {
    return this.#inTurn(keyOf({ namespace, name }), async () => {
      const { client, engine, ipam, nodeName } = this.#options;
      const pod = await this.#find(namespace, name);
      if (pod === undefined) return;
      engine.updateWorkloads([], pod.addresses.map(Prefix.host));
      this.#pods.delete(keyOf(pod));
      await this.#unwire(pod);
      await ipam.releaseByHandle(this.#ownerOf(pod).handleId);
      const endpoint = podEndpointName(nodeName, name);
      if (endpoint !== undefined) await ignoreMissing(client.delete("WorkloadEndpoint", endpoint, { namespace }));
      await engine.flush();
    });
  }

  async #make(
    request: { namespace: string; name: string; networkNamespace?: string },
    undo: (() => Promise<unknown>)[],
  ): Promise<PodRecord> {
    const { namespace, name } = request;
    const { client, engine, ipam, nodeName } = this.#options;
    const endpoint = podEndpointName(nodeName, name);
    if (endpoint === undefined)
      throw new PodError("INVALID_POD", `"${name}" cannot be a pod: it must not begin or end with '-'`, { name });
    const containerId = randomBytes(32).toString("hex");
    const owner = this.#ownerOf({ namespace, name, containerId });
    const assigned = await ipam.autoAssign({ ...owner, count4: 1, count6: 0, intendedUse: "Workload" });
    const addresses = assigned.ipv4.map(({ address }) => address);
    undo.push(() => ipam.releaseByHandle(owner.handleId));
    const namespacePath = createNamespace(request.networkNamespace ?? name);
    undo.push(async () => deleteNamespace(request.networkNamespace ?? name));
    const hostInterface = podInterfaceName(namespace, name, this.#options.interfacePrefix);
    const planned: PodRecord = {
      namespace,
      name,
      containerId,
      addresses,
      hostInterface,
      macAddress: undefined,
      namespacePath,
    };
    const pod = { ...planned, macAddress: await this.#wire(planned, namespacePath) };
    undo.push(() => this.#unwire(pod));
    await client.apply(podToResource(nodeName, endpoint, pod));
    undo.push(() => client.delete("WorkloadEndpoint", endpoint, { namespace }));
    this.#adopt(pod);
    undo.push(async () => {
      this.#pods.delete(keyOf(pod));
      engine.updateWorkloads([], addresses.map(Prefix.host));
    });
    await engine.flush();
    return pod;
  }

  #ownerOf(pod: Pick<PodRecord, "namespace" | "name" | "containerId">): AddressOwner {
    return podOwner(podIdentity(this.#options.nodeName, pod), this.#options.nowMs());
  }

  async #wire(pod: PodRecord, namespacePath: string): Promise<string> {
    const wired = await this.#options.wiring.wire({
      namespacePath,
      containerInterfaceName: podInterface,
      hostInterfaceName: pod.hostInterface,
      addresses: pod.addresses,
    });
    return wired.containerMacAddress;
  }

  async #unwire(pod: PodRecord): Promise<void> {
    await this.#options.wiring.unwire(pod.hostInterface);
    if (pod.namespacePath === undefined) return;
    try {
      deleteNamespace(namespaceName(pod.namespacePath));
    } catch (error) {
      if (!(error instanceof CalibirdError && error.code === "NAMESPACE_NOT_FOUND")) throw error;
    }
  }

  #adopt(pod: PodRecord): void {
    this.#pods.set(keyOf(pod), pod);
    this.#options.engine.updateWorkloads(
      pod.addresses.map((address) => ({
        address: Prefix.host(address),
        device: pod.hostInterface,
        pod: keyOf(pod),
      })),
      [],
    );
  }

  /** Also finds a pod whose wiring could not be recovered. */
  async #find(namespace: string, name: string): Promise<PodRecord | undefined> {
    const known = this.#pods.get(keyOf({ namespace, name }));
    const endpoint = podEndpointName(this.#options.nodeName, name);
    if (known !== undefined || endpoint === undefined) return known;
    const { resources } = await this.#options.client.list("WorkloadEndpoint", namespace);
    const resource = resources.find(({ metadata }) => metadata.name === endpoint);
    return resource && podFromResource(resource);
  }

  /** Takes back what was done, last first, as far as that goes. */
  async #undo(pod: string, undo: (() => Promise<unknown>)[]): Promise<void> {
    for (const step of undo.reverse())
      try {
        await step();
      } catch (error) {
        this.#options.logger.warn({ pod, error: errorMessage(error) }, "a step of a failed pod could not be undone");
      }
  }

  #inTurn<Result>(key: string, act: () => Promise<Result>): Promise<Result> {
    const before = this.#queues.get(key) ?? Promise.resolve();
    const turn = before.then(act, act);
    const settled = turn
      .catch(() => {})
      .then(() => {
        if (this.#queues.get(key) === settled) this.#queues.delete(key);
      });
    this.#queues.set(key, settled);
    return turn;
  }
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function namespaceName(path: string): string {
  return path.slice(join(defaultNamespaceDirectory, "/").length);
}

async function ignoreMissing(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!(error instanceof CalibirdError && error.code === "RESOURCE_NOT_FOUND")) throw error;
  }
}

import { randomBytes } from "node:crypto";
import { basename, dirname } from "node:path";
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
import type { PodAddresses } from "./pod-addresses.ts";
import type { PodJournal } from "./pod-journal.ts";
import {
  type PodRecord,
  podEndpointName,
  podFromResource,
  podIdentity,
  podInterface,
  podToResource,
} from "./pod-record.ts";
import type { PodReleases } from "./pod-releases.ts";

type PodErrorCode = "INVALID_POD";

/** A pod that cannot be made or removed. */
class PodError extends CalibirdError<PodErrorCode> {}

export interface PodRequest {
  readonly namespace: string;
  readonly name: string;
  /** Its name below /run/netns; default the pod's name. */
  readonly networkNamespace?: string;
  /** Calico's annotations about pools and addresses are heeded, others are not. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface PodManagerOptions {
  readonly nodeName: string;
  readonly wiring: Pick<EndpointWiring, "wire" | "unwire">;
  readonly ipam: Pick<Ipam, "releaseByHandle">;
  readonly addresses: Pick<PodAddresses, "take">;
  readonly releases: Pick<PodReleases, "release" | "settle" | "isOwed">;
  readonly client: ResourceClient;
  readonly engine: Pick<RoutingEngine, "updateWorkloads" | "flush">;
  readonly logger: Logger;
  /** How the names of host interfaces begin. */
  readonly interfacePrefix: string;
  readonly journal: Pick<PodJournal, "list" | "write" | "remove">;
  /** When the pod was made, for IPAM's attributes: Unix milliseconds. */
  readonly nowMs: () => number;
}

/**
 * The pods of this node: address, namespace, wiring, record and route of each, made in this order and undone in reverse.
 * What exists is kept in WorkloadEndpoint resources and in a journal on this node's disk, so that a restarted agent finds its
 * pods again, even if the datastore has been put back to an older state.
 */
export class PodManager {
  readonly #options: PodManagerOptions;
  readonly #pods = new Map<string, PodRecord>();
  /** The handles of the pods that are being made. */
  readonly #making = new Set<string>();
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

  /** True while a pod with this handle is being made: it has an address, and not yet everything else. */
  isBeingMade(handleId: string): boolean {
    return this.#making.has(handleId);
  }

  /**
   * Adopts the pods of an earlier run that are not known yet: their wiring is checked and repaired, their traffic not
   * touched. A pod that only the journal knows gets its record back if it still runs.
   */
  async recover(): Promise<void> {
    const { client, nodeName, journal, logger, releases } = this.#options;
    const { resources } = await client.list("WorkloadEndpoint");
    const journaled = new Map(journal.list().map((pod) => [keyOf(pod), pod]));
    for (const resource of resources.filter(({ spec }) => spec.node === nodeName)) {
      const pod = podFromResource(resource);
      if (pod === undefined || this.#pods.has(keyOf(pod)) || releases.isOwed(pod)) continue;
      const local = journaled.get(keyOf(pod));
      // Another container has taken this one's place since the record was written: a restored record is the older one.
      if (local !== undefined && local.containerId !== pod.containerId) continue;
      journaled.delete(keyOf(pod));
      try {
        await this.#adoptAgain(pod);
      } catch (error) {
        // As after a reboot. The record stays until somebody deletes the pod or makes it again.
        logger.warn(
          { pod: keyOf(pod), error: errorMessage(error) },
          "the namespace of a pod of an earlier run is gone",
        );
      }
    }
    for (const pod of journaled.values()) await this.#restore(pod);
  }

  /** Makes a pod; one that exists is returned as it is. Whatever fails, nothing half-made remains. */
  add(request: PodRequest): Promise<PodRecord> {
    return this.#inTurn(keyOf(request), async () => {
      const existing = this.#pods.get(keyOf(request));
      if (existing !== undefined) return existing;
      await this.#options.releases.settle(request);
      const recorded = await this.#find(request.namespace, request.name);
      if (recorded !== undefined) {
        const adopted = await this.#adoptOrRemove(recorded);
        if (adopted !== undefined) return adopted;
      }
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
      const pod = await this.#find(namespace, name);
      if (pod !== undefined) await this.#remove(pod);
    });
  }

  async #remove(pod: PodRecord): Promise<void> {
    const { engine, releases, nodeName } = this.#options;
    // The addresses of one that was not adopted may be another pod's by now.
    if (this.#pods.delete(keyOf(pod))) engine.updateWorkloads([], pod.addresses.map(Prefix.host));
    await this.#unwire(pod);
    this.#options.journal.remove(pod);
    const { namespace, name } = pod;
    const endpoint = podEndpointName(nodeName, name) ?? null;
    await releases.release({ namespace, name, handleId: this.#ownerOf(pod).handleId, endpoint });
    await engine.flush();
  }

  /** A recorded pod that is asked for again: the pod if its namespace is there, else what is left of it is removed. */
  async #adoptOrRemove(pod: PodRecord): Promise<PodRecord | undefined> {
    try {
      await this.#adoptAgain(pod);
      return pod;
    } catch {
      this.#options.logger.warn({ pod: keyOf(pod) }, "the namespace of a recorded pod is gone; the pod is made anew");
      await this.#remove(pod);
      return undefined;
    }
  }

  /** Throws if the pod's namespace cannot be opened: then there is no pod. Whatever else fails, the pod keeps its route. */
  async #adoptAgain(pod: PodRecord): Promise<void> {
    try {
      if (pod.namespacePath !== undefined) await this.#wire(pod, pod.namespacePath);
    } catch (error) {
      if (error instanceof CalibirdError && error.code === "NAMESPACE_UNAVAILABLE") throw error;
      const text = "the wiring of a pod of an earlier run could not be checked; it is left as it is";
      this.#options.logger.warn({ pod: keyOf(pod), error: errorMessage(error) }, text);
    }
    this.#adopt(pod);
  }

  /** Writes the record of a running pod that the datastore does not know (any more). */
  #restore(pod: PodRecord): Promise<void> {
    const { client, nodeName, journal, logger } = this.#options;
    return this.#inTurn(keyOf(pod), async () => {
      const endpoint = podEndpointName(nodeName, pod.name);
      const isJournaled = journal.list().some(({ containerId }) => containerId === pod.containerId);
      if (!isJournaled || endpoint === undefined) return;
      try {
        if (!this.#pods.has(keyOf(pod))) await this.#adoptAgain(pod);
      } catch {
        journal.remove(pod);
        return;
      }
      try {
        if ((await this.#recorded(pod))?.containerId === pod.containerId) return;
        await client.apply(podToResource(nodeName, endpoint, pod));
        logger.warn({ pod: keyOf(pod) }, "a running pod had no WorkloadEndpoint (any more); it has got it back");
      } catch (error) {
        logger.warn(
          { pod: keyOf(pod), error: errorMessage(error) },
          "a running pod's WorkloadEndpoint can't be written",
        );
      }
    });
  }

  async #make(request: PodRequest, undo: (() => Promise<unknown>)[]): Promise<PodRecord> {
    const { namespace, name } = request;
    const { client, engine, ipam, nodeName } = this.#options;
    const endpoint = podEndpointName(nodeName, name);
    if (endpoint === undefined)
      throw new PodError("INVALID_POD", `"${name}" cannot be a pod: it must not begin or end with '-'`, { name });
    const containerId = randomBytes(32).toString("hex");
    const owner = this.#ownerOf({ namespace, name, containerId });
    this.#making.add(owner.handleId);
    undo.push(async () => void this.#making.delete(owner.handleId));
    undo.push(() => ipam.releaseByHandle(owner.handleId));
    const addresses = await this.#options.addresses.take(owner, namespace, request.annotations ?? {});
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
      this.#options.journal.remove(pod);
      this.#pods.delete(keyOf(pod));
      engine.updateWorkloads([], addresses.map(Prefix.host));
    });
    await engine.flush();
    this.#making.delete(owner.handleId);
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
    const name = namespaceName(pod.namespacePath);
    if (name === undefined) return;
    try {
      deleteNamespace(name);
    } catch (error) {
      if (!(error instanceof CalibirdError && error.code === "NAMESPACE_NOT_FOUND")) throw error;
    }
  }

  #adopt(pod: PodRecord): void {
    // A pod that another plugin has made goes without our hearing of it.
    if (pod.namespacePath !== undefined) this.#options.journal.write(pod);
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
    if (known !== undefined || this.#options.releases.isOwed({ namespace, name })) return known;
    return this.#recorded({ namespace, name });
  }

  /** The pod as its WorkloadEndpoint has it. */
  async #recorded({ namespace, name }: Pick<PodRecord, "namespace" | "name">): Promise<PodRecord | undefined> {
    const endpoint = podEndpointName(this.#options.nodeName, name);
    if (endpoint === undefined) return undefined;
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

/** The name of a namespace that we may have made; a record can be written by anybody, and may name any path. */
function namespaceName(path: string | undefined): string | undefined {
  return path !== undefined && dirname(path) === defaultNamespaceDirectory ? basename(path) : undefined;
}

import { BfdService } from "../bgp/bfd/service.ts";
import { createSpeaker } from "../bgp/speaker.ts";
import type { BgpSpeaker, BgpSpeakerListener } from "../bgp/types.ts";
import { errorMessage } from "../core/errors.ts";
import { unlessAborted } from "../core/unless-aborted.ts";
import { version } from "../core/version.ts";
import { Fib } from "../fib/fib.ts";
import { BlockWatcher } from "../ipam/block-watcher.ts";
import { Ipam } from "../ipam/ipam.ts";
import { NatManager } from "../nat/manager.ts";
import { createNftRunner } from "../nat/program.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { nativeSockets } from "../sys/tcp/native-sockets.ts";
import { leadsToOtherNode } from "./addresses/address-keeping.ts";
import { datastoreProblems, datastoreView } from "./api/datastore-view.ts";
import { serveSockets } from "./api/serve-sockets.ts";
import { Cleanups } from "./cleanups.ts";
import type { ClusterChanges } from "./cluster-cache.ts";
import { asNumberOf, ipamPools, routingPools } from "./cluster-view.ts";
import { decisionOptions, peerDefaults } from "./config/bgp-settings.ts";
import { EventHub } from "./event-hub.ts";
import { Monitoring } from "./monitoring.ts";
import { concernsNat, natProblems, natState } from "./nat.ts";
import { NodeDrain } from "./node-drain.ts";
import type { AgentOptions } from "./options.ts";
import { writeOwnNode } from "./own-node.ts";
import { OwnNodeKeeper } from "./own-node-keeper.ts";
import { BfdPeering } from "./peering/bfd-peering.ts";
import { Listening } from "./peering/listening.ts";
import { PeeringReconciler } from "./peering/reconciler.ts";
import { SecretFiles } from "./peering/secret-files.ts";
import { openPlatform } from "./platform.ts";
import { createPods } from "./pods/create-pods.ts";
import { podFamilyProblems } from "./pods/pod-families.ts";
import { PoolModeChanger } from "./pools/pool-modes.ts";
import { routerId } from "./router-id.ts";
import { RouteComposer } from "./routing/composer.ts";
import { RoutingEngine } from "./routing/engine.ts";
import { IgnoredInterfaces } from "./routing/ignored-interfaces.ts";
import { kernelResolver } from "./routing/next-hop-resolver.ts";
import { ShadowingRoutes } from "./shadowing-routes.ts";
import { StatusSource } from "./status-source.ts";
import { createTunnels } from "./tunnels/create-tunnels.ts";
import { TunnelRouteFeed } from "./tunnels/tunnel-routes.ts";

/** How long peers may take to send their routes again after our restart before what they did not send is dropped. */
const deferralSec = 120;

/** How long to wait at the start for an interface to get the node's address. */
const addressTimeoutMs = 10_000;

const recoverRetryMs = 5_000;

/** How long to wait at the start for the tunnels that pools ask for. */
const tunnelTimeoutMs = 5_000;

export interface RunningAgent {
  /** Leaves routes, devices and addresses in the kernel, and lets peers keep our routes (RFC 4724). Never rejects. */
  stop(): Promise<void>;
}

/**
 * Builds the parts of a node's agent, connects them and starts them in order. Resolves when the node serves pods and its
 * peers may connect; throws a CalibirdError if that cannot be, or the reason of `giveUp`, with everything stopped again.
 *
 *     netlink worker ◄── fib ◄── engine ◄── speaker (Loc-RIB) ◄──► peers
 *                                 ▲  │
 *        pods, blocks, pools ─────┘  └──► speaker (own routes)
 *                 ▲
 *     datastore ──┴── cluster cache ──► peering reconciler ──► speaker (wanted peers)
 */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  const cleanups = new Cleanups(options.logger);
  try {
    await start(options, cleanups);
  } catch (error) {
    await cleanups.run();
    throw error;
  }
  return { stop: () => cleanups.run() };
}

async function start(options: AgentOptions, cleanups: Cleanups): Promise<void> {
  const { config, logger, clock, random, giveUp } = options;
  const startedAtMs = clock.wallMs();
  const platform = await openPlatform(options, cleanups);
  const { nodeName, netlink, addresses, datastore, client, operator, operatorStore, cluster, ownAddresses, claim } =
    platform;
  const events = new EventHub();
  const ipipRoutes = new TunnelRouteFeed("ipip");
  const udpRoutes = new TunnelRouteFeed("udp");
  const fib = new Fib({
    netlink,
    clock,
    logger,
    random,
    protocol: config.routeProtocol,
    ...(config.takeoverProtocols !== undefined && { takeover: config.takeoverProtocols }),
    onStatusChange: (changed) => {
      // Looking at what changed costs more than writing it.
      if (!ipipRoutes.isFollowed && !udpRoutes.isFollowed && !events.isWatched) return;
      const changes = [...changed];
      ipipRoutes.haveChanged(changes);
      udpRoutes.haveChanged(changes);
      for (const change of changes) events.publish("route", () => source.routeChange(change));
    },
    onReachabilityChange: () => nextHopsChanged(),
  });
  // Before there is a speaker nobody has a next hop to look at again.
  let nextHopsChanged = () => {};
  await fib.start();
  cleanups.add("fib", () => fib.stop());
  const adopted = [...fib.statuses()].filter((status) => status.state === "stale").map(({ route }) => route);

  const composer = new RouteComposer({
    nodeName,
    metric: config.routeMetric,
    nodeOfAddress: (wanted) => cluster.nodeAt(wanted),
    encapsulation: () => tunnels.context(),
    index: fib.index,
  });
  composer.adopt(adopted);
  const engine = new RoutingEngine(composer, fib, () => speaker, [ipipRoutes, udpRoutes]);
  let converged = false;
  const listener: BgpSpeakerListener = {
    onLocRibRows: (rows, table) => engine.updateLearned(rows, ignored.hiding(table, interfaceTo)),
    onPeerStateChange: (peer, state, reason) => {
      logger.info({ peer, state, reason: reason?.text }, "BGP session");
      if (state === "Established") bfd.established(peer);
      events.publish("peer", () => source.peer(peer));
    },
    onInitialConvergence: () => {
      converged = true;
      logger.info({}, "BGP has converged; routes that nobody announced again are removed");
      fib.sweepStale();
    },
  };
  const ignored = new IgnoredInterfaces();
  const interfaceTo = (nextHop: IpAddress) => fib.interfaceTo(composer.gatewayTo(nextHop));
  const identifier = routerId(ownAddresses[4]?.address, nodeName);
  const listening = new Listening({ cluster, nodeName, ownAddresses, port: config.listenPort, logger });
  const monitoring = new Monitoring({
    config,
    speaker: () => speaker,
    sockets: nativeSockets,
    clock,
    logger,
    random,
    nodeName,
    routerId: identifier,
    localAs: () => asNumberOf(cluster.resources, cluster.node(nodeName)),
    ownAddresses: Object.values(ownAddresses).map(({ address }) => address),
  });
  const speaker: BgpSpeaker = createSpeaker({
    routerId: identifier,
    listen: listening.place(),
    listener: monitoring.listening(listener),
    clock,
    logger,
    random,
    sockets: nativeSockets,
    options: {
      decision: decisionOptions(config.bgpDecision),
      history: config.bgpHistory,
      resolveNextHop: kernelResolver(interfaceTo, (device) => ignored.has(device)),
      ...(monitoring.tap !== undefined && { tap: monitoring.tap }),
      isOwnAddress: (candidate) => addresses.has(candidate),
      spareNextHops: {
        ...(ownAddresses[4] !== undefined && { "ipv4-unicast": ownAddresses[4].address }),
        ...(ownAddresses[6] !== undefined && { "ipv6-unicast": ownAddresses[6].address }),
      },
      // Between nodes only one side dials, so there is no collision to stay clear of.
      timing: { connectDelayMs: 200 },
      ...(adopted.length > 0 && { restarting: { forwardingPreserved: true, deferralSec } }),
    },
  });

  const bfd = new BfdPeering({
    speaker,
    logger: logger.child({ part: "bfd" }),
    startService: (events) => BfdService.start({ logger, ...events }),
    isOnLink: async (wanted) => (await netlink.routeTo(wanted))?.nextHops[0]?.gateway === undefined,
    interfaceIndex: async (device) => (await netlink.links()).find(({ name }) => name === device)?.index,
    onChange: (peer) => events.publish("peer", () => source.peer(peer)),
  });
  const secrets = new SecretFiles({ directory: config.secretsDir, clock, logger });
  cleanups.add("secrets", () => secrets.stop());
  nextHopsChanged = () => speaker.nextHopsChanged();
  const peering = new PeeringReconciler({
    cluster,
    engine,
    speaker,
    nodeName,
    secrets,
    peerDefaults: peerDefaults(config),
  });
  const isRouted = (prefix: Prefix) => leadsToOtherNode(fib.status(prefix));
  const ipam = new Ipam({
    datastore,
    clock,
    random,
    logger,
    nodeName,
    pools: () => ipamPools(cluster.resources),
    nodeLabels: () => cluster.labelsOf(nodeName),
    reserved: () => cluster.reserved(),
    isUsedElsewhere: isRouted,
    refusal: () => addressKeeping.refusal,
  });
  const { manager: tunnels, view: viewTunnels } = createTunnels(
    {
      ipipBackend: config.ipipBackend,
      vxlan: config,
      udp: config,
      pmtuDiscovery: config.tunnelPmtuDiscovery,
      ipipRoutes,
      udpRoutes,
      knownRoutes: () => fib.statuses(),
      nodeName,
      ownAddresses,
      netlink,
      cluster,
      client,
      ipam,
      clock,
      random,
      logger,
      graceMs: config.tunnelGraceSec * 1000,
      onAddresses: (held) => engine.setTunnelAddresses(held),
      onChange: () => engine.encapsulationChanged(),
      onPeersChange: (nextHops) => engine.tunnelPeersChanged(nextHops),
    },
    cleanups,
  );
  const blocks = new BlockWatcher({
    datastore,
    clock,
    logger,
    onChange: (changes) => engine.updateBlocks(changes),
  });
  await blocks.start();
  cleanups.add("blocks", () => blocks.stop());
  giveUp.throwIfAborted();
  const { pods, releases, addressKeeping } = await createPods(
    { ...platform, config, clock, random, logger, ipam, engine, isRouted },
    cleanups,
  );

  const modes = new PoolModeChanger({ client: operator, cluster, composer });
  const shadowing = new ShadowingRoutes(fib, logger);
  const nat = new NatManager({ run: createNftRunner(), clock, random, logger: logger.child({ part: "nat" }) });
  cleanups.add("nat", () => nat.stop());

  const source = new StatusSource({
    fib,
    composer,
    speaker,
    bfdOf: (peer) => bfd.status(peer),
    facts: () => ({
      name: nodeName,
      version,
      addresses: ownAddresses,
      asNumber: asNumberOf(cluster.resources, cluster.node(nodeName)),
      routerId: identifier,
      startedAtMs,
      datastore: datastoreView(datastore),
      converged,
      problems: [
        ...cluster.problems,
        ...claim.problems,
        ...peering.problems,
        ...listening.problems,
        ...tunnels.problems,
        ...shadowing.problems,
        ...bfd.problems,
        ...monitoring.problems,
        ...natProblems(nat),
        ...addressKeeping.problems,
        ...datastoreProblems(datastore),
        ...podFamilyProblems(cluster, nodeName, ownAddresses),
      ],
      pods: pods.count,
      ...viewTunnels(),
    }),
    ipamAudit: () => addressKeeping.view(),
    addressOfNode: (name, family) => cluster.addressOf(name, family),
  });
  const drain = new NodeDrain(config.stateDir, peering);
  drain.restore();
  await serveSockets(
    {
      runDir: config.runDir,
      logger,
      source,
      events,
      pods,
      client: operator,
      datastore: operatorStore,
      clock,
      random,
      modes,
      peering: drain,
    },
    cleanups,
  );

  const writeNode = () => writeOwnNode(client, nodeName, { addresses: ownAddresses, asNumber: config.asNumber });
  const ownNode = new OwnNodeKeeper({
    isThere: () => cluster.node(nodeName) !== undefined,
    write: writeNode,
    clock,
    logger,
  });
  cleanups.add("node", () => ownNode.stop());
  const followCluster = (changes: ClusterChanges) => {
    listening.follow(speaker);
    if (changes.kinds.has("BGPConfiguration") && ignored.update(cluster.resources, nodeName)) speaker.nextHopsChanged();
    if (peering.update(changes)) bfd.peersChanged();
    if (changes.kinds.has("IPPool")) shadowing.look(routingPools(cluster.resources));
    if (concernsNat(changes)) nat.update(natState(cluster.resources, config));
    tunnels.update(changes);
    ownNode.check();
  };
  cluster.onChange(followCluster);
  secrets.onChange(() => {
    peering.run();
    bfd.peersChanged();
  });
  followCluster(cluster.everything());
  for (const { address } of Object.values(ownAddresses))
    if (!(await unlessAborted(giveUp, addresses.appears(address, addressTimeoutMs))))
      logger.warn({ address: address.toString() }, "no interface has this node's address; peers cannot reach it");
  await unlessAborted(giveUp, tunnels.start(tunnelTimeoutMs));
  monitoring.start();
  cleanups.add("monitoring", () => monitoring.stop());
  await speaker.start();
  cleanups.add("bgp", () => speaker.stop("restart"));
  // Peers are told first, so that nobody takes our end for a dead path.
  cleanups.add("bfd", () => bfd.stop());
  // Peers dial as soon as they see the node, so it is written only now that it listens.
  if (!datastore.isHeld) await writeNode();
  await addressKeeping.startCollecting();
  const recoverPods = () => {
    pods
      .recover()
      .then(() => addressKeeping.auditSoon())
      .catch((error: unknown) => {
        logger.warn({ error: errorMessage(error), retryMs: recoverRetryMs }, "pods can't be looked at again yet");
        clock.setTimer(recoverRetryMs, recoverPods);
      });
  };
  datastore.onRelease(() => {
    ownNode.write();
    void releases.retry();
    recoverPods();
  });
}

import { BmpExporter } from "../bgp/bmp/exporter.ts";
import { BgpMonitor } from "../bgp/monitor.ts";
import { MrtRecorder } from "../bgp/mrt/recorder.ts";
import type { BgpTap } from "../bgp/tap.ts";
import type { BgpSpeaker, BgpSpeakerListener } from "../bgp/types.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { TcpSockets } from "../core/tcp.ts";
import { version } from "../core/version.ts";
import { IpAddress } from "../net/address.ts";
import type { MonitoringConfig } from "./config/monitoring-settings.ts";

interface MonitoringOptions {
  readonly config: MonitoringConfig;
  readonly speaker: () => BgpSpeaker;
  readonly sockets: TcpSockets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly nodeName: string;
  readonly routerId: number;
  readonly localAs: () => number;
  /** At most one of each family. */
  readonly ownAddresses: readonly IpAddress[];
}

/** BMP and MRT of a node, if its configuration asks for them. */
export class Monitoring {
  readonly #monitor: BgpMonitor | undefined;
  readonly #exporter: BmpExporter | undefined;
  readonly #recorder: MrtRecorder | undefined;

  constructor(options: MonitoringOptions) {
    const { config, clock, random, nodeName, routerId, localAs, ownAddresses } = options;
    const { bmpStations = [], bmpViews, mrtDirectory } = config;
    if (bmpStations.length === 0 && mrtDirectory === undefined) return;
    const monitor = new BgpMonitor(options.speaker);
    this.#monitor = monitor;
    const common = { monitor, clock, random };
    if (bmpStations.length > 0)
      this.#exporter = new BmpExporter({
        ...common,
        targets: bmpStations,
        views: new Set(bmpViews),
        sockets: options.sockets,
        logger: options.logger.child({ part: "bmp" }),
        description: `calibird ${version}`,
        name: nodeName,
        routerId,
        localAs,
        ownAddresses,
      });
    const [first = IpAddress.v4(routerId), ...others] = ownAddresses;
    if (mrtDirectory !== undefined)
      this.#recorder = new MrtRecorder({
        ...common,
        logger: options.logger.child({ part: "mrt" }),
        directory: mrtDirectory,
        updatesSec: config.mrtUpdatesSec,
        tablesSec: config.mrtTablesSec,
        collector: () => ({
          identifier: routerId,
          addresses: [first, ...others],
          asNumber: localAs(),
          viewName: nodeName,
        }),
      });
  }

  /** For the speaker; undefined if nobody watches. */
  get tap(): BgpTap | undefined {
    return this.#monitor;
  }

  listening(listener: BgpSpeakerListener): BgpSpeakerListener {
    return this.#monitor?.listening(listener) ?? listener;
  }

  /** What keeps it from working, one sentence each. */
  get problems(): readonly string[] {
    const problem = this.#recorder?.problem;
    const stations = this.#exporter?.status() ?? [];
    return [
      ...(problem === undefined ? [] : [problem]),
      ...stations
        .filter(({ reason }) => reason !== undefined)
        .map(({ target, reason }) => `BMP station ${target} is not connected: ${reason}`),
    ];
  }

  start(): void {
    this.#exporter?.start();
    this.#recorder?.start();
  }

  stop(): void {
    this.#exporter?.stop();
    this.#recorder?.stop();
  }
}

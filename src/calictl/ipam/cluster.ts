import { systemClock } from "../../core/clock.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import { IpamAdministration } from "../../ipam/administration.ts";
import { type ClusterFacts, readClusterFacts } from "../../ipam/cluster-facts.ts";
import { Reservations } from "../../ipam/reservations.ts";
import { type IpamSurvey, surveyIpam } from "../../ipam/survey.ts";
import type { ClusterInformationSpec } from "../../resources/cluster-information.ts";
import { reservedPrefixes } from "../../resources/ip-reservation.ts";
import type { IpamConfigurationSpec } from "../../resources/ipam-configuration.ts";
import type { CommandTools } from "../command-tools.ts";

/** What the commands about IPAM look at. */
export interface ClusterView {
  readonly datastore: Datastore;
  readonly survey: IpamSurvey;
  readonly facts: ClusterFacts;
  readonly reserved: Reservations;
  /** As the resource that shows IPAM's settings has them; undefined where nobody has set any. */
  readonly configuration: IpamConfigurationSpec | undefined;
  readonly cluster: ClusterInformationSpec;
  /** Of the object that `cluster` is from; "" if there is none. */
  readonly clusterRevision: string;
  readonly administration: IpamAdministration;
}

/** Opens the datastore and reads what IPAM and the resources say. */
export async function withCluster<Result>(
  tools: CommandTools,
  config: string | undefined,
  run: (cluster: ClusterView) => Promise<Result>,
): Promise<Result> {
  return tools.withDatastore(config, async (datastore) => {
    const client = tools.resourceClient(datastore);
    const [facts, reservations, configurations, information, survey] = await Promise.all([
      readClusterFacts(client),
      client.list("IPReservation"),
      client.list("IPAMConfiguration"),
      client.list("ClusterInformation"),
      surveyIpam(datastore),
    ]);
    const reserved = new Reservations(reservations.resources.flatMap(({ spec }) => reservedPrefixes(spec)));
    const administration = new IpamAdministration({
      datastore,
      clock: systemClock,
      random: Math.random,
      pools: () => facts.pools,
    });
    const [cluster] = information.resources;
    return run({
      datastore,
      survey,
      facts,
      reserved,
      configuration: configurations.resources[0]?.spec,
      cluster: cluster?.spec ?? {},
      clusterRevision: cluster?.metadata.resourceVersion ?? "",
      administration,
    });
  });
}

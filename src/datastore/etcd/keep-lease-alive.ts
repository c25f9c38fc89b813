import type { Etcd3 } from "etcd3";
import type { LeaseId } from "../datastore.ts";
import type { withDeadline } from "./member.ts";

/** Gives a lease its full time again; false if there is no such lease. Throws what gRPC throws. */
export async function keepLeaseAlive(
  client: Etcd3,
  lease: LeaseId,
  options: ReturnType<typeof withDeadline>,
): Promise<boolean> {
  const stream = await client.leaseClient.leaseKeepAlive(options);
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("end", () => reject(new Error("the stream was ended without an answer")));
    stream.on("data", ({ TTL }) => {
      resolve(TTL !== "0");
      stream.end();
    });
    stream.write({ ID: lease.toString() });
  });
}

import { describe, expect, it } from "vitest";
import { classifyFailure } from "../../../../src/datastore/etcd/failure.ts";

describe("a failed call to etcd", () => {
  it.each([
    [
      "14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1",
      "DATASTORE_UNAVAILABLE",
    ],
    ["14 UNAVAILABLE: Name resolution failed for target dns:etcd.nowhere:2379", "DATASTORE_UNAVAILABLE"],
    ["14 UNAVAILABLE: No connection established. Last error: certificate has expired", "DATASTORE_TLS_FAILED"],
    ["8 RESOURCE_EXHAUSTED: etcdserver: too many requests", "DATASTORE_UNAVAILABLE"],
  ])("was never sent: %s", (message, code) => {
    expect(classifyFailure(new Error(message))).toMatchObject({ code, worthRepeating: true, mayHaveHappened: false });
  });

  it.each([
    ["Last error: Error: connect ECONNREFUSED 10.0.0.1:2379. Resolution note: ", "connect ECONNREFUSED 10.0.0.1:2379"],
    ["Last error: certificate has expired", "certificate has expired"],
  ])("is told in the words of its cause: %s", (text, reason) => {
    const error = new Error(`14 UNAVAILABLE: No connection established. ${text}`);
    expect(classifyFailure(error)).toMatchObject({ reason });
  });

  it.each([
    "14 UNAVAILABLE: Connection dropped",
    "14 UNAVAILABLE: etcdserver: request timed out",
    "4 DEADLINE_EXCEEDED: Deadline exceeded after 3.001s",
    "13 INTERNAL: Received RST_STREAM with code 2",
    "something nobody has seen before",
  ])("may have happened all the same: %s", (message) => {
    const code = "DATASTORE_UNAVAILABLE";
    expect(classifyFailure(new Error(message))).toMatchObject({ code, worthRepeating: true, mayHaveHappened: true });
  });

  it.each([
    ["Lease 5 NOT_FOUND: etcdserver: requested lease not found is expired or revoked", "LEASE_NOT_FOUND"],
    ["3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password", "DATASTORE_UNAUTHENTICATED"],
    ["9 FAILED_PRECONDITION: etcdserver: authentication is not enabled", "DATASTORE_UNAUTHENTICATED"],
    ["7 PERMISSION_DENIED: etcdserver: permission denied", "DATASTORE_FORBIDDEN"],
    ["8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded", "DATASTORE_FULL"],
    ["3 INVALID_ARGUMENT: etcdserver: request is too large", "INVALID_REQUEST"],
  ])("is etcd's last word: %s", (message, code) => {
    expect(classifyFailure(new Error(message))).toMatchObject({ code, worthRepeating: false, mayHaveHappened: false });
  });
});

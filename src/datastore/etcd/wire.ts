import type { IDeleteRangeResponse, IKeyValue, IRangeRequest, ITxnRequest, ITxnResponse } from "etcd3";
import type { Compare, KeyValue, Operation, OperationResponse, Transaction, TransactionResult } from "../datastore.ts";

// The shapes of etcd's gRPC API as etcd3 has them: keys and values are bytes, 64-bit numbers are decimal text, and a
// message that is absent is null, which its types don't say. "0" is etcd's word for no lease.

/** All keys that start with the prefix. */
export function prefixRange(prefix: string): { key: Buffer; range_end: Buffer } {
  const everything = Buffer.from([0]);
  if (prefix === "") return { key: everything, range_end: everything };
  const key = Buffer.from(prefix);
  // UTF-8 has no byte 0xff, so the last byte can always be raised by one.
  const end = Buffer.from(key);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key, range_end: end };
}

export function decodeItem(item: IKeyValue): KeyValue {
  return {
    key: item.key.toString(),
    value: item.value.toString(),
    createRevision: BigInt(item.create_revision),
    modRevision: BigInt(item.mod_revision),
    version: BigInt(item.version),
    ...(item.lease !== "0" && { lease: BigInt(item.lease) }),
  };
}

export function encodeTransaction({ compares, success, failure = [] }: Transaction): ITxnRequest {
  return {
    compare: compares.map(encodeCompare),
    success: success.map(encodeOperation),
    failure: failure.map(encodeOperation),
  };
}

/** What etcd answered to `transaction`. */
export function decodeTransaction(transaction: Transaction, answer: ITxnResponse): TransactionResult {
  const branch = answer.succeeded ? transaction.success : (transaction.failure ?? []);
  return {
    succeeded: answer.succeeded,
    revision: BigInt(answer.header.revision),
    responses: branch.map(({ type }, index) => decodeResponse(type, answer.responses[index])),
  };
}

function encodeCompare({ key, target, result, value }: Compare): NonNullable<ITxnRequest["compare"]>[number] {
  const results = { equal: "Equal", "not-equal": "NotEqual", greater: "Greater", less: "Less" } as const;
  const number = value.toString();
  const operand = {
    version: { target: "Version", version: number },
    createRevision: { target: "Create", create_revision: number },
    modRevision: { target: "Mod", mod_revision: number },
  } as const;
  return { key: Buffer.from(key), result: results[result], ...operand[target] };
}

function encodeOperation(operation: Operation): NonNullable<ITxnRequest["success"]>[number] {
  const key = Buffer.from(operation.key);
  if (operation.type === "get") return { request_range: { key } satisfies IRangeRequest };
  if (operation.type === "delete") return { request_delete_range: { key, prev_kv: true } };
  const lease = operation.lease === undefined ? {} : { lease: operation.lease.toString() };
  return { request_put: { key, value: Buffer.from(operation.value), ...lease } };
}

function decodeResponse(
  type: Operation["type"],
  response: ITxnResponse["responses"][number] | undefined,
): OperationResponse {
  if (type === "put") return { type };
  if (type === "get") {
    const item = response?.response_range.kvs[0];
    return { type, ...(item !== undefined && { item: decodeItem(item) }) };
  }
  const deleted: IDeleteRangeResponse | undefined = response?.response_delete_range;
  const previous = deleted?.prev_kvs[0];
  return { type, ...(previous !== undefined && { previous: decodeItem(previous) }) };
}

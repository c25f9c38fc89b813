import { describe, expect, it } from "vitest";
import type { KeyValue } from "../../../../src/datastore/datastore.ts";
import { KeptState } from "../../../../src/datastore/last-known/kept-state.ts";
import { put, remove } from "../../../conformance/datastore-helpers.ts";

const policy = { complete: ["/a/", "/b/"], keeps: ({ key }: { key: string }) => !key.endsWith("-other") };

function item(key: string, modRevision: bigint, value = `${modRevision}`): KeyValue {
  return { key, value, createRevision: 1n, modRevision, version: 1n };
}

function listed(): KeptState {
  const state = new KeptState(policy);
  state.learnList("/a/", { items: [item("/a/2", 3n), item("/a/1", 2n), item("/a/x-other", 3n)], revision: 5n });
  return state;
}

describe("KeptState", () => {
  it("is complete once every prefix has been listed", () => {
    const state = listed();
    expect(state.isComplete).toBe(false);
    state.learnList("/b/", { items: [], revision: 6n });
    expect(state.isComplete).toBe(true);
  });

  it("answers for what it knows all of, and for no more", () => {
    const state = listed();
    expect(state.list("/a/")).toEqual({ items: [item("/a/1", 2n), item("/a/2", 3n)], revision: 5n });
    expect(state.list("/a/2")).toEqual({ items: [item("/a/2", 3n)], revision: 5n });
    expect(state.get("/a/none")).toEqual({ revision: 5n });
    expect(state.list("/b/")).toBeUndefined();
    expect(state.get("/b/1")).toBeUndefined();
    expect(state.list("/")).toBeUndefined();
    state.learnItem("/c/1", item("/c/1", 9n));
    expect(state.get("/c/1")).toEqual({ item: item("/c/1", 9n), revision: 9n });
    expect(state.get("/c/2")).toBeUndefined();
  });

  it("follows a watch, and takes what another watch of the prefix has told before for old", () => {
    const state = listed();
    const stored = (key: string, revision: bigint) => ({ type: "put" as const, item: item(key, revision) });
    const deleted = (key: string, modRevision: bigint) => ({ type: "delete" as const, key, modRevision });
    expect(state.learnEvents("/a/", [stored("/a/3", 7n), deleted("/a/1", 8n)], 8n)).toBe(true);
    expect(state.learnEvents("/a/", [stored("/a/1", 6n), stored("/a/3", 7n)], 7n)).toBe(false);
    expect(state.list("/a/")).toEqual({ items: [item("/a/2", 3n), item("/a/3", 7n)], revision: 8n });
  });

  it("forgets what a later list does not have any more, and what is not to be kept any more", () => {
    const state = listed();
    state.learnItem("/c/1", item("/c/1", 9n));
    expect(state.learnList("/c/", { items: [], revision: 10n })).toBe(true);
    expect(state.get("/c/1")).toBeUndefined();
    expect(state.learnList("/a/", { items: [item("/a/2", 3n)], revision: 11n })).toBe(true);
    expect(state.learnList("/a/", { items: [item("/a/2", 3n)], revision: 12n })).toBe(false);
    expect(state.get("/a/1")).toEqual({ revision: 12n });
  });

  it("takes over what a transaction has written and read", () => {
    const state = listed();
    const success = [
      { type: "put", key: "/a/2", value: "new" },
      { type: "put", key: "/a/y-other", value: "" },
      { type: "delete", key: "/a/1" },
      { type: "get", key: "/c/7" },
    ] as const;
    const responses = [
      { type: "put" },
      { type: "put" },
      { type: "delete" },
      { type: "get", item: item("/c/7", 4n) },
    ] as const;
    expect(state.learnTransaction({ compares: [], success }, { succeeded: true, revision: 20n, responses })).toBe(true);
    expect(state.list("/a/")?.items).toEqual([{ ...item("/a/2", 20n, "new"), version: 2n }]);
    expect(state.get("/c/7")).toEqual({ item: item("/c/7", 4n), revision: 4n });
  });

  it("is the same after it was written and read", () => {
    const state = listed();
    const content = { items: [...state.items], revisions: new Map([...state.revisions, ["/gone/", 3n]]), places: [] };
    const again = new KeptState(policy);
    again.restore({ content, changes: [] });
    expect(again.list("/a/")).toEqual(state.list("/a/"));
    expect(again.list("/gone/")).toBeUndefined();
  });

  it("is read with the changes that came after it was written, and without those from before", () => {
    const state = listed();
    const content = { items: [...state.items], revisions: new Map(state.revisions), places: [] };
    const success = [put("/a/1", "new"), remove("/a/2"), put("/a/y-other", "")];
    const result = { succeeded: true, revision: 9n, responses: [{ type: "put" }, { type: "delete" }] } as const;
    state.learnTransaction({ compares: [], success }, result);
    const changes = state.changesOf({ compares: [], success }, result);
    const before = [
      { key: "/a/2", revision: 3n },
      { key: "/a/old", revision: 4n, item: item("/a/old", 4n) },
    ];
    const again = new KeptState(policy);
    again.restore({ content, changes: [...before, ...changes] });
    expect(again.list("/a/")).toEqual(state.list("/a/"));
    expect(again.list("/a/")?.items.map(({ key }) => key)).toEqual(["/a/1"]);
    const unharmed = new KeptState(policy);
    unharmed.restore({ content, changes: before });
    expect(unharmed.list("/a/")?.items.map(({ key }) => key)).toEqual(["/a/1", "/a/2"]);
  });
});

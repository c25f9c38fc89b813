import { describe, expect, it } from "vitest";
import { applyJsonPatch } from "../../../../../src/calictl/resources/patch/json-patch.ts";
import { applyMergePatch } from "../../../../../src/calictl/resources/patch/merge-patch.ts";
import { applyStrategicMergePatch } from "../../../../../src/calictl/resources/patch/strategic-merge-patch.ts";

describe("a JSON merge patch", () => {
  // RFC 7386, appendix A.
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("of %j with %j makes %j", (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });
});

describe("a JSON patch", () => {
  // RFC 6902, appendix A.
  it.each([
    [{ foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
    [{ foo: ["bar", "baz"] }, [{ op: "add", path: "/foo/1", value: "qux" }], { foo: ["bar", "qux", "baz"] }],
    [{ baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
    [{ foo: ["bar", "qux", "baz"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["bar", "baz"] }],
    [{ baz: "qux", foo: "bar" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo", foo: "bar" }],
    [
      { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } },
      [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
      { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } },
    ],
    [
      { foo: ["all", "grass", "cows", "eat"] },
      [{ op: "move", from: "/foo/1", path: "/foo/3" }],
      { foo: ["all", "cows", "eat", "grass"] },
    ],
    [{ baz: "qux", foo: [1] }, [{ op: "test", path: "/baz", value: "qux" }], { baz: "qux", foo: [1] }],
    [{ foo: ["bar"] }, [{ op: "add", path: "/foo/-", value: ["abc"] }], { foo: ["bar", ["abc"]] }],
    [{ "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
    [
      { foo: "bar" },
      [{ op: "add", path: "/child", value: { grandchild: {} } }],
      { foo: "bar", child: { grandchild: {} } },
    ],
    [{ a: { b: 1 } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: 1 }, c: { b: 1 } }],
    [{ a: 1 }, [{ op: "replace", path: "", value: [] }], []],
  ])("of %j with %j makes %j", (target, patch, result) => {
    const before = structuredClone(target);
    expect(applyJsonPatch(target, patch)).toEqual(result);
    expect(target).toEqual(before);
  });

  it.each([
    [{ baz: "qux" }, [{ op: "test", path: "/baz", value: "bar" }], 'operation 1: test /baz: it is "qux", not "bar"'],
    [{ foo: "bar" }, [{ op: "add", path: "/baz/bat", value: "q" }], 'operation 1: add /baz/bat: there is no "baz"'],
    [{ a: [1] }, [{ op: "remove", path: "/a/1" }], "there is no item 1 in the list; it must be from 0 to 0"],
    [{ a: [1] }, [{ op: "remove", path: "/a/-" }], "there is no item - in the list"],
    [{ a: 1 }, [{ op: "replace", path: "/b", value: 1 }], 'there is no "b"'],
    [{ a: { b: 1 } }, [{ op: "move", from: "/a", path: "/a/b" }], "cannot be moved into itself"],
    [{}, [{ op: "ad", path: "/a", value: 1 }], 'op "ad" must be one of add, remove, replace, move, copy, test'],
    [{}, [{ op: "add", path: "a", value: 1 }], 'path "a" must begin with a slash'],
    [{}, [{ op: "add", path: "/a" }], "operation 1: add needs a value"],
    [{}, { op: "add" }, "must be a list of operations"],
    [{}, [7], "operation 1 must be an object"],
  ])("of %j with %j is refused: %s", (target, patch, message) => {
    expect(() => applyJsonPatch(target, patch)).toThrow(message);
  });
});

describe("a strategic merge patch", () => {
  it.each([
    [{ a: { b: 1, c: 2 } }, { a: { b: null, d: 3 } }, { a: { c: 2, d: 3 } }],
    [{ a: { b: 1 } }, { a: { $patch: "replace", c: 2 } }, { a: { c: 2 } }],
    [{ a: { b: 1 }, d: 1 }, { a: { $patch: "delete" } }, { d: 1 }],
    [{ spec: { filters: ["a"] } }, { spec: { filters: ["b"] } }, { spec: { filters: ["b"] } }],
    [
      { metadata: { finalizers: ["a"] } },
      { metadata: { finalizers: ["b", "a"] } },
      { metadata: { finalizers: ["a", "b"] } },
    ],
    [
      { status: { conditions: [{ type: "A", status: "x" }, { type: "B" }] } },
      { status: { conditions: [{ type: "A", reason: "y" }, { type: "B", $patch: "delete" }, { type: "C" }] } },
      { status: { conditions: [{ type: "A", status: "x", reason: "y" }, { type: "C" }] } },
    ],
    [{ l: ["a", "b", "c"] }, { "$deleteFromPrimitiveList/l": ["b"] }, { l: ["a", "c"] }],
    [{ l: ["a", "b", "c"] }, { "$setElementOrder/l": ["c", "a"] }, { l: ["c", "a", "b"] }],
    [
      { a: 1, b: 2, c: 3 },
      { $retainKeys: ["a", "d"], d: 4 },
      { a: 1, d: 4 },
    ],
  ])("of %j with %j makes %j", (target, patch, result) => {
    expect(applyStrategicMergePatch(target, patch)).toEqual(result);
  });

  it.each([
    [{ a: { $patch: "merged" } }, '$patch "merged" must be merge, replace or delete'],
    [[], "must be an object"],
    [{ metadata: { ownerReferences: [{}] } }, 'each item must have "uid"'],
  ])("with %j is refused: %s", (patch, message) => {
    expect(() => applyStrategicMergePatch({}, patch)).toThrow(message);
  });
});

import { describe, expect, it } from "vitest";
import { parseJsonPathTemplate } from "../../../../../src/calictl/resources/output/json-path-template.ts";

const list = {
  kind: "NodeList",
  items: [
    { metadata: { name: "a", labels: { "x.io/rack": "r1" } }, spec: { as: 1, ips: ["10.0.0.1", "10.0.0.2"] } },
    { metadata: { name: "b" }, spec: { as: 2, up: true } },
    { metadata: { name: "c" }, spec: { as: 3 } },
  ],
};

describe("a jsonpath template", () => {
  it.each([
    ["{.kind}", "NodeList"],
    ["{$.kind} {kind}", "NodeList NodeList"],
    ["{.items[*].metadata.name}", "a b c"],
    ["{.items[0].spec}", '{"as":1,"ips":["10.0.0.1","10.0.0.2"]}'],
    ["{.items[-1].metadata.name}", "c"],
    ["{.items[0,2].metadata.name}", "a c"],
    ["{.items[1:].metadata.name}", "b c"],
    ["{.items[:2].metadata.name}", "a b"],
    ["{.items[::2].metadata.name}", "a c"],
    ["{..name}", "a b c"],
    ["{.items[0]['metadata','spec'].name}", "a"],
    ["{.items[0].metadata.labels['x.io/rack']}", "r1"],
    ["{.items[0].metadata.labels.x\\.io/rack}", "r1"],
    ['{.items[?(@.metadata.name=="b")].spec.as}', "2"],
    ["{.items[?(@.spec.as >= 2)].metadata.name}", "b c"],
    ["{.items[?(@.spec.up)].metadata.name}", "b"],
    ["{.items[?(@.metadata.name != 'b')].spec.as}", "1 3"],
    ['{range .items[*]}{.metadata.name}{"\\t"}{.spec.as}{"\\n"}{end}', "a\t1\nb\t2\nc\t3\n"],
    ["names: {range .items[*]}<{.metadata.name}>{end}.", "names: <a><b><c>."],
    ["{.nothing}|{.items[7]}|{.kind.deeper}", "||"],
    ["{.}", JSON.stringify(list)],
  ])("%s prints %j", (template, printed) => {
    expect(parseJsonPathTemplate(template)(list)).toBe(printed);
  });

  it.each([
    ["{.a", "never ends"],
    ["{range .a}", "{range} without {end}"],
    ["{end}", "{end} without {range}"],
    ["{.a[}", "a quoted name is missing here"],
    ["{.a[0}", "] is missing here"],
    ["{.a[?(7]}", "is missing here"],
    ["{.a b}", 'what follows here is no path: " b"'],
    ["{.a[?(x==1)]}", "a path that begins with @"],
  ])("%s is refused: %s", (template, message) => {
    expect(() => parseJsonPathTemplate(template)).toThrow(message);
  });
});

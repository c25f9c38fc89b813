import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
beforeAll(async () => {
  calictl = await calictlWithStore();
  const set = "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: s, namespace: shop}\nspec: {}\n";
  const stdin = `${poolManifest("pods-a", "10.1.0.0/16")}---\n${poolManifest("pods-b", "10.2.0.0/16")}---\n${set}`;
  expect((await calictl.runWith({ stdin }, "create", "-f", "-")).err).toBe("");
});
afterAll(() => calictl.dispose());

const complete = async (...words: string[]) => {
  const { code, out, err } = await calictl.run("complete", "--", ...words);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out.split("\n").slice(0, -1);
};

describe("what completes a command line", () => {
  it.each([
    [["val"], ["validate"]],
    [["pool", ""], ["set-mode"]],
    [["get", "ipp"], ["ippool"]],
    [
      ["get", "pools", ""],
      ["pods-a", "pods-b"],
    ],
    [["get", "pools", "pods-a", "p"], ["pods-b"]],
    [["delete", "netsets", "-n", "shop", ""], ["s"]],
    [["delete", "netsets", ""], []],
    [["get", "netsets", "-n", ""], ["shop"]],
    [
      ["get", "pools", "-o", "j"],
      ["json", "jsonpath="],
    ],
    [["get", "pools", "--output=y"], ["yaml"]],
    [["get", "pools", "--output", "=", "y"], ["yaml"]],
    [
      ["get", "pools", "--output", "="],
      ["ps", "wide", "yaml", "json", "name", "custom-columns=", "jsonpath=", "go-template="],
    ],
    [["routes", "-o", "w"], ["wide"]],
    [
      ["patch", "ippool", "pods-a", "-t", ""],
      ["strategic", "merge", "json"],
    ],
    [["get", "--exp"], ["--export"]],
    [["apply", "-f", "some"], [":files"]],
    [
      ["pool", "set-mode", ""],
      ["pods-a", "pods-b"],
    ],
    [["pool", "set-mode", "pods-a", "N"], ["Never"]],
    [["explain", "ippo"], ["ippool"]],
    [["explain", "pool.spec.ci"], ["pool.spec.cidr"]],
    [["explain", "bgpconfig.spec.communities.n"], ["bgpconfig.spec.communities.name"]],
    [["completion", "z"], ["zsh"]],
    [["get", "nonsense", ""], []],
    [["nonsense", "x", ""], []],
  ])("after %j are %j", async (words, candidates) => {
    expect(await complete(...words)).toEqual(candidates);
  });

  it("are all commands at the beginning, but not the hidden one", async () => {
    const commands = await complete("");
    expect(commands).toEqual(expect.arrayContaining(["get", "apply", "routes", "completion", "explain"]));
    expect(commands).not.toContain("complete");
  });

  it("are none if nobody can be asked for names", async () => {
    expect(await complete("--run-dir", "/nowhere", "get", "pools", "")).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let calictl: CalictlFixture;
beforeEach(async () => {
  calictl = await calictlWithStore();
  const stdin = `${poolManifest("a", "10.1.0.0/16")}---\n${poolManifest("b", "10.2.0.0/16", "  natOutgoing: true\n")}`;
  expect((await calictl.runWith({ stdin }, "create", "-f", "-")).err).toBe("");
});
afterEach(() => calictl.dispose());

describe("calictl get -o", () => {
  it.each([
    ["custom-columns=NAME,NAT", "NAME   NAT     \na      false   \nb      true    \n\n"],
    ["custom-columns=N:.metadata.name,X:{.spec.nothing}", "N    X        \na    <none>   \nb    <none>   \n\n"],
    ['jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}', "a\nb\n"],
    ["go-template={{range .}}{{range .Items}}{{.Spec.CIDR}} {{end}}{{end}}", "10.1.0.0/16 10.2.0.0/16 "],
  ])("%s prints what it asks for", async (format, out) => {
    expect(await calictl.run("get", "ippool", "-o", format)).toEqual({ code: 0, out, err: "" });
  });

  it("takes columns and templates from files", async () => {
    const template = calictl.file("t", "{{range .}}{{.Name}}{{end}}\n");
    expect((await calictl.run("get", "ippool", "b", "-o", `go-template-file=${template}`)).out).toBe("b\n");
    const columns = calictl.file("c", "POOL            RANGE\n.metadata.name  .spec.cidr\n");
    expect((await calictl.run("get", "ippool", "a", "-o", `custom-columns-file=${columns}`)).out).toBe(
      "POOL   RANGE         \na      10.1.0.0/16   \n\n",
    );
  });

  it.each([
    ["custom-columns=NAME,BLOCKSIZE", "IPPool has no column BLOCKSIZE; it has NAMESPACE, NAME, CIDR"],
    ["custom-columns=", "a title is missing"],
    ["custom-colums=NAME", 'did you mean "custom-columns"?'],
    ["jsonpath", "write -o jsonpath=… with what it shall print"],
    ["go-template-file=/nowhere", "cannot read /nowhere"],
  ])("%s is refused with status 2", async (format, message) => {
    const { code, out, err } = await calictl.run("get", "ippool", "-o", format);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
  });
});

describe("calictl get --watch", () => {
  const lines = (text: string) => text.split("\n").map((line) => line.trimEnd());
  const until = (condition: () => void) => vi.waitFor(condition, { timeout: 15_000, interval: 10 });

  it("prints what is there, then every change", async () => {
    const watch = calictl.follow("get", "ippool", "--watch");
    await until(() => expect(lines(watch.output())).toHaveLength(4));
    await calictl.run("delete", "ippool", "a");
    await until(() => expect(watch.output()).toContain("DELETED"));
    await calictl.run("label", "ippool", "b", "x=y");
    await until(() => expect(watch.output()).toContain("MODIFIED   b"));
    expect(await watch.stop()).toBe(0);
    // A pool is disabled first; a watch that is late sees only that it has gone.
    expect(lines(watch.output()).filter((line) => !/^MODIFIED +a /.test(line))).toEqual([
      "EVENT      NAME   CIDR          SELECTOR",
      "ADDED      a      10.1.0.0/16   all()",
      "ADDED      b      10.2.0.0/16   all()",
      "DELETED    a      10.1.0.0/16   all()",
      "MODIFIED   b      10.2.0.0/16   all()",
      "",
    ]);
  });

  it("prints the differences after a time without an agent in which the store has forgotten its history", async () => {
    const watch = calictl.follow("get", "ippool", "-w", "-o", "json");
    await until(() => expect(lines(watch.output())).toHaveLength(3));
    await calictl.whileAgentIsAway(async () => {
      await calictl.client.delete("IPPool", "a");
      await calictl.compact();
    });
    await until(() => expect(watch.output()).toContain("DELETED"));
    expect(await watch.stop()).toBe(0);
    const events = lines(watch.output())
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
    expect(events.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual([
      "ADDED a",
      "ADDED b",
      "DELETED a",
    ]);
  });

  it("of names prints those alone", async () => {
    const watch = calictl.follow("get", "ippool", "b", "-w", "-o", "name");
    await until(() => expect(watch.output()).toBe("ippools/b\n"));
    await calictl.run("label", "ippool", "a", "x=y");
    await calictl.run("label", "ippool", "b", "x=y");
    await until(() => expect(watch.output()).toBe("ippools/b\nippools/b\n"));
    await watch.stop();
  });

  it("is refused together with -f and --export", async () => {
    expect((await calictl.run("get", "ippool", "-w", "--export")).code).toBe(2);
  });
});

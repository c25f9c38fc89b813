import { describe, expect, it } from "vitest";
import { helpText, parseArguments } from "../../../bench/arguments.ts";
import { scenarios } from "../../../bench/scenarios.ts";

describe("the command line of the benchmark", () => {
  it("runs all scenarios in three rounds if nothing is said", () => {
    const options = parseArguments([]);
    expect(options.scenarios).toEqual(scenarios.map(({ name }) => name));
    expect(options).toMatchObject({ rounds: 3, peers: undefined, sizes: undefined, json: undefined, help: false });
  });

  it("takes scenarios and options in any order", () => {
    const argv = ["to-kernel", "--peers", "bird,frr", "--rounds", "5", "churn", "--size", "100,200", "--json", "-"];
    expect(parseArguments(argv)).toMatchObject({
      scenarios: ["to-kernel", "churn"],
      peers: ["bird", "frr"],
      rounds: 5,
      sizes: [100, 200],
      json: "-",
    });
  });

  it("measures no daemon with --peers none", () => {
    expect(parseArguments(["--peers", "none"]).peers).toEqual([]);
  });

  it.for([
    [["full-tabel"], "unknown scenario full-tabel; there are: full-table"],
    [["--peers", "quagga"], "unknown daemon quagga; there are: bird, frr"],
    [["--rounds", "0"], "--rounds must be a number above 0, not 0"],
    [["--size", "10,many"], "--size must be a number above 0, not many"],
    [["--json"], "--json needs a value"],
    [["--fast", "1"], "unknown option --fast; there are --peers"],
  ] as const)("refuses %j and says what would be right", ([argv, message]) => {
    expect(() => parseArguments(argv)).toThrow(message);
  });

  it("names every scenario and option in its help", () => {
    for (const { name } of scenarios) expect(helpText()).toContain(`\n  ${name} `);
    for (const option of ["--peers", "--rounds", "--size", "--seconds", "--json", "--profile"])
      expect(helpText()).toContain(option);
  });
});

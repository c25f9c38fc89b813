import { describe, expect, it } from "vitest";
import { parseCommandLine } from "../../../../src/lab/topology/command-line.ts";

const words = (text: string) => {
  const result = parseCommandLine(text);
  return result.ok ? result.value.argv : result.message;
};

describe("a command line", () => {
  it.each([
    ["ip addr add 10.0.0.1/24 dev eth1", ["ip", "addr", "add", "10.0.0.1/24", "dev", "eth1"]],
    ["  a \t b\n", ["a", "b"]],
    [`sh -c 'echo "x y" | wc'`, ["sh", "-c", 'echo "x y" | wc']],
    [`a "b 'c' \\"d\\" \\n"`, ["a", `b 'c' "d" \\n`]],
    ["a\\ b c", ["a b", "c"]],
    ["a '' b", ["a", "", "b"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["echo $HOME *", ["echo", "$HOME", "*"]],
  ])("%j becomes words without a shell", (text, argv) => {
    expect(words(text)).toEqual(argv);
  });

  it.each([
    ["a 'b", "has a quote ' without its end"],
    ['a "b', 'has a quote " without its end'],
    ["a \\", "ends in a lone backslash"],
    ["   ", "is empty"],
  ])("%j is refused with the reason", (text, reason) => {
    expect(words(text)).toContain(reason);
  });

  it("keeps what was written", () => {
    expect(parseCommandLine("a  b")).toEqual({ ok: true, value: { text: "a  b", argv: ["a", "b"] } });
  });
});

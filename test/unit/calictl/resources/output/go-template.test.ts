import { describe, expect, it } from "vitest";
import { compileGoTemplate } from "../../../../../src/calictl/resources/output/go-template.ts";

const found = [
  {
    kind: "IPPoolList",
    items: [
      {
        kind: "IPPool",
        metadata: { name: "a" },
        spec: { cidr: "10.1.0.0/16", natOutgoing: true, allowedUses: ["W", "T"] },
      },
      {
        kind: "IPPool",
        metadata: { name: "b", labels: { y: "2", x: "1" } },
        spec: { cidr: "10.2.0.0/16", blockSize: 26 },
      },
    ],
  },
];

describe("a Go template", () => {
  it.each([
    [
      "{{range .}}{{range .Items}}{{.ObjectMeta.Name}} {{.Spec.CIDR}}\n{{end}}{{end}}",
      "a 10.1.0.0/16\nb 10.2.0.0/16\n",
    ],
    ["{{range .items}}{{.metadata.name}},{{end}}", "a,b,"],
    ["{{range .items}}{{.Name}},{{end}}", "a,b,"],
    ["{{range $i, $p := .items}}{{$i}}={{$p.Name}} {{end}}", "0=a 1=b "],
    ['{{range .items}}{{if .Spec.NATOutgoing}}nat{{else if eq .Name "b"}}b!{{else}}-{{end}};{{end}}', "nat;b!;"],
    ['{{range .items}}{{join .Spec.AllowedUses ","}};{{end}}', "W,T;<no value>;"],
    ["{{with $x := index .items}}{{len $x}}{{end}}", "2"],
    ["{{range .items}}{{range $k, $v := .metadata.labels}}{{$k}}:{{$v}} {{else}}none {{end}}{{end}}", "none x:1 y:2 "],
    ["{{range .items}}{{.metadata.labels}}{{end}}", "<no value>map[x:1 y:2]"],
    ["{{range .items}}{{.Spec.AllowedUses}}{{end}}", "[W T]<no value>"],
    ['{{(index .items 1).Spec.BlockSize | printf "%4d|"}}', "  26|"],
    ['{{printf "%-5s|%q" "ab" "c"}}', 'ab   |"c"'],
    ["a {{- /* nothing */ -}}  b {{- 7 }}", "ab7"],
    ["{{if and true (not false)}}yes{{end}}{{if or false nil}}no{{end}}", "yes"],
    ["{{if lt 1 2}}{{ne 1 2}}{{end}}", "true"],
    ["{{`raw \\n`}}", "raw \\n"],
    ["{{$x := 5}}{{$x}}{{$.kind}}", "5IPPoolList"],
  ])("%s prints %j", (template, printed) => {
    expect(compileGoTemplate(template)(found)).toBe(printed);
  });

  it.each([
    ["{{range .}}", "{{range}} without {{end}}"],
    ["{{end}}", "{{end}} without a beginning"],
    ["{{.a", "never ends"],
    ["{{jion .a}}", 'there is no function jion; did you mean "join"?'],
    ["{{$y}}", "there is no variable $y"],
    ["{{(.a}}", '"(" without ")"'],
    ["{{.a)}}", '")" without "("'],
    ["{{if}}x{{end}}", "a value is missing"],
    ["{{define `x`}}", "{{define}} is not known here"],
    ["{{?}}", '"?" is not understood'],
  ])("%s is refused: %s", (template, message) => {
    expect(() => compileGoTemplate(template)(found)).toThrow(message);
  });
});

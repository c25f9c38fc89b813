import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { AgentLab, type AgentNode, patience } from "./support/agent-lab.ts";
import { PingStream } from "./support/ping-stream.ts";

let agents: AgentLab;
let ping: PingStream;
let before: Awaited<ReturnType<typeof bystanders>>;

/** An address that is nobody's peer. */
const stranger = "10.0.0.77";
/** The agent of n3 is stopped; the tests speak from addresses there that n1 knows as peers. */
const attacker = "n3";
/** Each test has a peer of its own, because n1 lets one wait whose session has failed. */
let nextPeer = 100;
const lastPeer = 130;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26 });
  await agents.lab.killNode(attacker);
  const numbers = Array.from({ length: lastPeer - nextPeer }, (_, index) => nextPeer + index);
  const commands = [77, ...numbers].map((number) => `addr add 10.0.0.${number}/32 dev eth1\n`).join("");
  expect(await agents.lab.exec(attacker, ["ip", "-batch", "-"], { input: commands })).toMatchObject({ code: 0 });
  const manifest = numbers.map(
    (number) => `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: attacker-${number} }
spec: { node: n1, peerIP: 10.0.0.${number}, asNumber: 64512 }
`,
  );
  expect(await agents.apply("n1", manifest.join("---"))).toMatchObject({ code: 0 });
  await vi.waitFor(async () => expect(await agents.peers("n1")).toHaveLength(3 + numbers.length), patience);
});
afterAll(() => agents?.down());

/** What must not change in n1: its process, its sessions with others, and that nothing went wrong inside. */
async function bystanders() {
  const peers = (await agents.peers("n1")).filter(({ address }) => ["10.0.0.2", "10.0.0.254"].includes(address));
  return {
    main: agents.lab.status().find(({ name }) => name === "n1")?.main,
    sessions: peers.map(({ name, state, timesEstablished }) => ({ name, state, timesEstablished })),
    errors: agents.log("n1").match(/^\{"level":[56]0.*$/gm) ?? [],
  };
}

beforeEach(async () => {
  before = await bystanders();
  expect(before.sessions.map(({ state }) => state)).toEqual(["Established", "Established"]);
  ping = await PingStream.start(agents, { node: "n1", pod: "n1-a" }, await agents.addressOf("n2", "n2-a"), 0.02);
});
afterEach(async () => {
  expect(await ping.stop()).toMatchObject({ lost: [], errors: [] });
  expect(await bystanders()).toEqual(before);
});

const hex = (value: number, octets: number) => value.toString(16).padStart(2 * octets, "0");

function message(type: number, body = "", length = 19 + body.length / 2): string {
  return `${"ff".repeat(16)}${hex(length, 2)}${hex(type, 1)}${body}`;
}

function open(fields: { version?: number; as?: number; hold?: number; id?: string } = {}): string {
  const { version = 4, as = 64512, hold = 90, id = "0a000003" } = fields;
  return message(1, `${hex(version, 1)}${hex(as, 2)}${hex(hold, 2)}${id}00`);
}

const keepalive = message(4);
const update = (withdrawn: string, attributes: string, nlri: string) =>
  message(2, `${hex(withdrawn.length / 2, 2)}${withdrawn}${hex(attributes.length / 2, 2)}${attributes}${nlri}`);
const goodAttributes = `40010100${"400200"}${"4003040a000003"}${"40050400000064"}`;

interface Answer {
  /** `code/subcode` of the NOTIFICATION that came, if one did. */
  readonly notification: string | undefined;
  /** Types of the messages that came. */
  readonly types: readonly number[];
  readonly closed: boolean;
}

async function send(
  from: { readonly node: AgentNode; readonly address: string },
  chunks: readonly string[],
  options: { end?: boolean; waitMs?: number } = {},
): Promise<Answer> {
  const { end = false, waitMs = 10_000 } = options;
  const request = { address: "10.0.0.1", port: 179, localAddress: from.address, chunks, end, waitMs };
  const script = join(process.cwd(), "test/lab/support/send-octets.mjs");
  const stdout = await agents.succeed(from.node, process.execPath, script, JSON.stringify(request));
  const { received, closed } = JSON.parse(stdout) as { received: string; closed: boolean };
  return { ...readMessages(Buffer.from(received, "hex")), closed };
}

/** Speaks as a peer that n1 has not heard of before. */
function sendAsPeer(chunks: readonly string[], options: { end?: boolean; waitMs?: number } = {}): Promise<Answer> {
  expect(nextPeer).toBeLessThan(lastPeer);
  return send({ node: attacker, address: `10.0.0.${nextPeer++}` }, chunks, options);
}

function readMessages(octets: Buffer): Pick<Answer, "notification" | "types"> {
  const types: number[] = [];
  let notification: string | undefined;
  for (let at = 0; at < octets.length; at += octets.readUInt16BE(at + 16)) {
    const type = octets.readUInt8(at + 18);
    types.push(type);
    if (type === 3) notification = `${octets.readUInt8(at + 19)}/${octets.readUInt8(at + 20)}`;
  }
  return { notification, types };
}

const noise = Array.from({ length: 4096 }, (_, index) => hex((index * 73 + 11) & 0xff, 1)).join("");

describe("octets of a peer that are no BGP", () => {
  it.each([
    { what: "noise", chunks: [noise], code: "1/1" },
    { what: "a length of 65535", chunks: [message(1, "", 65535)], code: "1/2" },
    { what: "a length of 18", chunks: [message(4, "", 18)], code: "1/2" },
    { what: "a KEEPALIVE with a body", chunks: [open(), message(4, "00")], code: "1/2" },
    { what: "an unknown type", chunks: [message(9)], code: "1/3" },
    { what: "a KEEPALIVE instead of an OPEN", chunks: [keepalive], code: "5/1" },
    { what: "BGP-5", chunks: [open({ version: 5 })], code: "2/1" },
    { what: "another AS", chunks: [open({ as: 65000 })], code: "2/2" },
    { what: "an identifier of 0", chunks: [open({ id: "00000000" })], code: "2/3" },
    { what: "a hold time of 1", chunks: [open({ hold: 1 })], code: "2/6" },
    { what: "an UPDATE before Established", chunks: [open(), update("", "", "")], code: "5/2" },
    { what: "a second OPEN", chunks: [open(), keepalive, open()], code: "5/3" },
    {
      what: "an UPDATE with a length beyond its end",
      chunks: [open(), keepalive, message(2, "ffff0000")],
      code: "3/1",
    },
    { what: "an UPDATE of noise", chunks: [open(), keepalive, message(2, noise.slice(0, 4000))], code: "3/1" },
    {
      what: "a prefix of 33 bits",
      chunks: [open(), keepalive, update("", goodAttributes, "210a0000000a")],
      code: "3/10",
    },
  ])("are answered with NOTIFICATION $code and nothing worse: $what", async ({ chunks, code }) => {
    expect(await sendAsPeer(chunks)).toMatchObject({ notification: code, closed: true });
  });

  it("are answered all the same if they come one by one", async () => {
    const octets = message(9).match(/../g) ?? [];
    expect(await sendAsPeer(octets)).toMatchObject({ notification: "1/3", closed: true });
  });

  it("end in nothing if they stop in the middle of an OPEN", async () => {
    const answer = await sendAsPeer([open().slice(0, 44)], { end: true });
    expect(answer).toMatchObject({ closed: true });
  });

  it("cost one route and no session if only an attribute is wrong", async () => {
    const badOrigin = goodAttributes.replace("40010100", "40010109");
    const chunks = [
      open(),
      keepalive,
      update("", goodAttributes, "180a0a0a"),
      update("", badOrigin, "180a0a0a"),
      update("", goodAttributes, "180a0a0b"),
    ];
    const session = sendAsPeer(chunks, { waitMs: 3_000 });
    await vi.waitFor(async () => {
      expect(await agents.route("n1", "10.10.11.0/24")).toBeDefined();
      // The kernel's route goes a moment after the path.
      expect(await agents.route("n1", "10.10.10.0/24")).toBeUndefined();
    }, patience);
    expect(await session).toMatchObject({ notification: undefined, closed: false });
    await vi.waitFor(async () => expect(await agents.route("n1", "10.10.11.0/24")).toBeUndefined(), patience);
  });
});

describe("a stranger", () => {
  it.each([
    { what: "noise", chunks: [noise] },
    { what: "a proper OPEN", chunks: [open({ id: "0a00004d" }), keepalive] },
    { what: "nothing", chunks: [] },
  ])("who sends $what gets no session", async ({ chunks }) => {
    const answer = await send({ node: attacker, address: stranger }, chunks);
    expect(answer.closed).toBe(true);
    expect(answer.types).not.toContain(1);
    expect((await agents.peers("n1")).map(({ address }) => address)).not.toContain(stranger);
  });

  it("who comes fifty times at once is turned away fifty times", async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => send({ node: attacker, address: stranger }, [noise])),
    );
    expect(answers.filter(({ closed }) => closed)).toHaveLength(50);
  });
});

describe("a second connection of a peer with a session", () => {
  it.each([
    { what: "noise", chunks: [noise], code: "1/1" },
    { what: "an OPEN of another AS", chunks: [open({ as: 65000, id: "0a000002" }), keepalive], code: "2/2" },
  ])("that carries $what does not end the first", async ({ chunks, code }) => {
    const answer = await send({ node: "n2", address: "10.0.0.2" }, chunks);
    expect(answer).toMatchObject({ notification: code, closed: true });
  });
});

describe("the cluster", () => {
  it("is whole again when the attacker is a node as before", async () => {
    const names = (await agents.peers("n1")).flatMap(({ description }) => /attacker-\d+/.exec(description)?.[0] ?? []);
    await agents.succeed("n1", "calictl", "delete", "bgppeer", ...names);
    await agents.lab.startNode(attacker);
    await agents.settled();
    expect(await agents.unreachable()).toEqual([]);
  });
});

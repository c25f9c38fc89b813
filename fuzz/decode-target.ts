import { decodeMessage } from "../src/bgp/packet/decode.ts";
import { MessageFramer } from "../src/bgp/packet/framer.ts";
import type { CodecContext, DecodeResult, UpdateMessage } from "../src/bgp/packet/message.ts";
import { encodeUpdates, type UpdateParts } from "../src/bgp/packet/update-encode.ts";
import type { Random } from "./random.ts";

/** An input that does what none may do. */
export class FuzzFailure extends Error {}

const families = ["ipv4-unicast", "ipv6-unicast"] as const;

/** What sessions may have agreed on. */
export const contexts: readonly CodecContext[] = (["ebgp", "ibgp"] as const).flatMap((peerType) =>
  [true, false].flatMap((fourOctetAs) =>
    [[], families].map((addPath) => ({
      peerType,
      fourOctetAs,
      maxMessageLength: 65_535 as const,
      families,
      addPathReceive: addPath,
      addPathSend: addPath,
    })),
  ),
);

/** RFC 4271 §4.5, RFC 6608, RFC 7313: what a decoder may answer. */
const errorCodes: ReadonlySet<number> = new Set([1, 2, 3, 7]);

/** As `checkDecode` for all kinds of session. */
export function checkDecodeEverywhere(octets: Uint8Array): string {
  return contexts.map((context) => checkDecode(octets, context)).join(" ");
}

/**
 * Decodes a message as a kind of session would. Returns what came of it in a few words, which is how a run knows that it
 * has seen something new. Throws `FuzzFailure` if the decoder throws, invents routes, answers with what is no NOTIFICATION,
 * or reads its own encoding of an UPDATE differently.
 */
export function checkDecode(octets: Uint8Array, context: CodecContext): string {
  let result: DecodeResult;
  try {
    result = decodeMessage(octets, context);
  } catch (error) {
    throw new FuzzFailure(`the decoder threw ${String(error)}`, { cause: error });
  }
  if (!result.ok) {
    const { code, subcode, data } = result.error;
    if (!errorCodes.has(code)) throw new FuzzFailure(`the decoder answers with code ${code}`);
    if (data.length + 21 > 4096) throw new FuzzFailure(`${data.length} octets of data fit into no NOTIFICATION`);
    return `error/${code}/${subcode}`;
  }
  const { message } = result;
  if (message.type !== "update") return message.type;
  checkUpdate(message, octets.length, context);
  const [problem] = message.problems;
  const what = problem === undefined ? "" : `/${problem.outcome}-${known(problem.attribute)}`;
  return `update/${few(message.announcements)}/${few(message.withdrawals)}${what}`;
}

/** Attributes that nobody knows are all alike. */
function known(attribute: number | undefined): string {
  return attribute === undefined ? "list" : attribute > 41 ? "unknown" : String(attribute);
}

function few(lists: readonly unknown[]): string {
  return lists.length > 1 ? "many" : String(lists.length);
}

function checkUpdate(update: UpdateMessage, length: number, context: CodecContext): void {
  const routes = [...update.announcements, ...update.withdrawals].reduce((sum, { nlri }) => sum + nlri.length, 0);
  if (routes > length) throw new FuzzFailure(`${routes} routes came out of ${length} octets`);
  if ((update.attributes === undefined) !== (update.announcements.length === 0))
    throw new FuzzFailure("attributes without routes, or routes without attributes");
  if (update.problems.length > 0 || update.announcements.length !== 1) return;
  const { attributes, announcements } = update;
  const [announcement] = announcements;
  if (attributes === undefined || announcement === undefined) return;
  let count = 0;
  for (const message of encode({ withdrawals: [], announcements, attributes }, context)) {
    const again = decodeMessage(message, context);
    if (!again.ok || again.message.type !== "update" || again.message.problems.length > 0)
      throw new FuzzFailure(`an UPDATE that was read is sent as ${hex(message)}, which is none or a bad one`);
    count += again.message.announcements.reduce((sum, { nlri }) => sum + nlri.length, 0);
    const [twice, more] = encode(again.message, context);
    if (twice === undefined || more !== undefined || hex(twice) !== hex(message))
      throw new FuzzFailure(`an UPDATE is sent as ${hex(message)}, and read and sent again as ${twice && hex(twice)}`);
  }
  if (count !== announcement.nlri.length)
    throw new FuzzFailure(`${announcement.nlri.length} routes were read and ${count} are sent`);
}

function encode(parts: UpdateParts, context: CodecContext): readonly Uint8Array[] {
  try {
    return encodeUpdates(parts, context);
  } catch (error) {
    throw new FuzzFailure(`an UPDATE that was read cannot be sent: ${String(error)}`, { cause: error });
  }
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString("hex");
}

/** Cut anywhere, a stream of messages must give the same messages. Throws `FuzzFailure`. */
export function checkFraming(messages: readonly Uint8Array[], random: Random): void {
  const stream = Uint8Array.from(messages.flatMap((message) => [...message]));
  const whole = frame([stream]);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const length = random.chance(4) ? 1 : 1 + random.below(400);
    chunks.push(stream.slice(at, at + length));
    at += length;
  }
  const cut = frame(chunks);
  if (whole !== cut)
    throw new FuzzFailure(`a stream in ${chunks.length} chunks is framed as ${cut}, whole as ${whole}`);
}

function frame(chunks: readonly Uint8Array[]): string {
  const framer = new MessageFramer();
  const results: string[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let next = framer.next(); next !== undefined; next = framer.next()) {
      results.push(next.ok ? hex(next.bytes) : `error ${next.error.code}/${next.error.subcode}`);
      if (!next.ok) return results.join(" ");
    }
  }
  return results.join(" ");
}

import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import { MessageFramer } from "../../../../src/bgp/packet/framer.ts";
import { encodeKeepalive } from "../../../../src/bgp/packet/keepalive.ts";
import { fromHex, messageOf, toHex } from "./sessions.ts";

const marker = "ff".repeat(16);

function firstResult(hex: string, maxMessageLength?: number) {
  const framer = new MessageFramer(maxMessageLength);
  framer.push(fromHex(hex));
  return framer.next();
}

describe("framing", () => {
  test("gives nothing until a header is there, and then the message as soon as it is whole", () => {
    const framer = new MessageFramer();
    const update = messageOf(2, "00000000");
    framer.push(update.subarray(0, 18));
    expect(framer.next()).toBeUndefined();
    framer.push(update.subarray(18, 22));
    expect(framer.next()).toBeUndefined();
    framer.push(update.subarray(22));
    expect(framer.next()).toEqual({ ok: true, bytes: update });
    expect(framer.next()).toBeUndefined();
  });

  test("gives messages that stay as they are when the chunk's memory is used for others, and never a Buffer", () => {
    const framer = new MessageFramer();
    const chunk = Buffer.concat([encodeKeepalive(), messageOf(2, "00000000"), encodeKeepalive()]);
    framer.push(chunk);
    const messages = [framer.next(), framer.next(), framer.next()];
    chunk.fill(0);
    expect(messages).toEqual(
      [encodeKeepalive(), messageOf(2, "00000000"), encodeKeepalive()].map((bytes) => ({ ok: true, bytes })),
    );
    for (const message of messages) expect(message?.ok === true && message.bytes.constructor).toBe(Uint8Array);
  });

  test("lets messages be read where they lie, but not one whose beginning has been copied", () => {
    const framer = new MessageFramer();
    const chunk = Buffer.concat([encodeKeepalive(), messageOf(2, "00000000"), encodeKeepalive().subarray(0, 18)]);
    framer.push(chunk);
    expect(framer.octets?.buffer).toBe(chunk.buffer);
    framer.skip(19);
    expect(framer.position).toBe(19);
    expect(framer.next()).toEqual({ ok: true, bytes: messageOf(2, "00000000") });
    expect(framer.next()).toBeUndefined();
    framer.push(Uint8Array.of(4));
    expect(framer.octets).toBeUndefined();
    expect(framer.next()).toEqual({ ok: true, bytes: encodeKeepalive() });
    expect(framer.octets).toBeUndefined();
  });

  test.each([
    ["a marker that is not all ones is 1/1", `00${marker.slice(2)}001304`, 1, ""],
    ["a length below the header is 1/2 with the length", `${marker}001204`, 2, "0012"],
    ["a length above 4096 is 1/2", `${marker}100102`, 2, "1001"],
    ["an unknown type is 1/3 with the type", `${marker}001306`, 3, "06"],
    ["an OPEN below 29 octets is 1/2", `${marker}001c01`, 2, "001c"],
    ["an UPDATE below 23 octets is 1/2", `${marker}001602`, 2, "0016"],
    ["a NOTIFICATION below 21 octets is 1/2", `${marker}001403`, 2, "0014"],
    ["a KEEPALIVE of other than 19 octets is 1/2", `${marker}001404`, 2, "0014"],
  ])("%s, told from the header alone", (_, hex, subcode, data) => {
    const result = firstResult(hex);
    if (result === undefined || result.ok) throw new Error("no error");
    expect([result.error.code, result.error.subcode, toHex(result.error.data)]).toEqual([1, subcode, data]);
  });

  test("with RFC 8654 an UPDATE may have 65535 octets, but an OPEN or KEEPALIVE no more than before", () => {
    const framer = new MessageFramer();
    framer.setMaxMessageLength(65535);
    const large = messageOf(2, `0000 0000 ${"18c00002".repeat(3000)}`);
    framer.push(large);
    expect(framer.next()).toEqual({ ok: true, bytes: large });
    expect(firstResult(`${marker}100101`, 65535)).toMatchObject({ ok: false, error: { code: 1, subcode: 2 } });
    expect(firstResult(`${marker}001404`, 65535)).toMatchObject({ ok: false, error: { code: 1, subcode: 2 } });
  });

  test("an error stays: what follows it has no known position", () => {
    const framer = new MessageFramer();
    framer.push(fromHex(`${marker}001306`));
    const first = framer.next();
    framer.push(encodeKeepalive());
    expect(first?.ok).toBe(false);
    expect(framer.next()).toBe(first);
  });
});

describe("a message that is not as long as its header says", () => {
  test("is 1/2, and octets that hold no header are too", () => {
    const keepalive = encodeKeepalive();
    expect(decodeMessage(keepalive.subarray(0, 10), undefined)).toMatchObject({ ok: false, error: { code: 1 } });
    expect(decodeMessage(messageOf(2, "00000000").subarray(0, 21), undefined)).toMatchObject({
      ok: false,
      error: { code: 1, subcode: 2 },
    });
  });
});

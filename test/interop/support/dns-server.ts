import { createSocket, type Socket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";

interface ServiceAnswer {
  readonly target: string;
  readonly port: number;
}

const TYPE_SRV = 33;
const NO_SUCH_NAME = 3;

/** A DNS server on the loopback that knows some SRV records (RFC 2782) and nothing else. */
export class DnsServer {
  readonly #socket: Socket;

  private constructor(socket: Socket, zone: Readonly<Record<string, readonly ServiceAnswer[]>>) {
    this.#socket = socket;
    socket.on("message", (query, { port, address }) => {
      const { name, end } = readName(query);
      socket.send(answerTo(query.subarray(0, end + 4), zone[name]), port, address);
    });
  }

  static async start(zone: Readonly<Record<string, readonly ServiceAnswer[]>>): Promise<DnsServer> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new DnsServer(socket, zone);
  }

  /** One that asks this server only. */
  resolver(): Resolver {
    const resolver = new Resolver({ timeout: 5_000, tries: 2 });
    resolver.setServers([`127.0.0.1:${this.#socket.address().port}`]);
    return resolver;
  }

  close(): void {
    this.#socket.close();
  }
}

/** The name of the first question, and where it ends. */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let offset = 12;
  for (let length = query.readUInt8(offset); length > 0; length = query.readUInt8(offset)) {
    labels.push(query.toString("latin1", offset + 1, offset + 1 + length));
    offset += 1 + length;
  }
  return { name: labels.join("."), end: offset + 1 };
}

/** `question` is the query up to the end of its first question. */
function answerTo(question: Buffer, records: readonly ServiceAnswer[] | undefined): Buffer {
  const head = Buffer.from(question);
  // An authoritative answer, recursion as it was asked for.
  head.writeUInt16BE(0x8480 | (question.readUInt16BE(2) & 0x0100) | (records === undefined ? NO_SUCH_NAME : 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records?.length ?? 0, 6);
  head.writeUInt32BE(0, 8);
  return Buffer.concat([head, ...(records ?? []).map(encodeRecord)]);
}

function encodeRecord({ target, port }: ServiceAnswer): Buffer {
  const name = target.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, "latin1")]);
  const data = Buffer.concat([Buffer.alloc(6), ...name, Buffer.from([0])]);
  data.writeUInt16BE(port, 4);
  const head = Buffer.alloc(12);
  // The name is that of the question, at offset 12.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TYPE_SRV, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

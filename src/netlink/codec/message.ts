import { errorAttribute, headerBytes, messageFlag, messageType } from "./constants.ts";
import { ByteReader, malformed } from "./reader.ts";

/** One message as it came: the header's fields and the payload, yet to be read. */
export interface ReceivedMessage {
  /** NLMSG_* or RTM_*. */
  readonly type: number;
  /** NLM_F_*. */
  readonly flags: number;
  readonly sequence: number;
  readonly payload: ByteReader;
}

/** Splits what one or several datagrams brought into messages; throws `MALFORMED_MESSAGE`. */
export function* readMessages(bytes: Uint8Array): Generator<ReceivedMessage> {
  const reader = ByteReader.over(bytes);
  while (reader.remaining > 0) {
    const length = reader.u32();
    if (length < headerBytes) throw malformed(`a message says it is ${length} octets long`);
    const type = reader.u16();
    const flags = reader.u16();
    const sequence = reader.u32();
    reader.skip(4);
    yield { type, flags, sequence, payload: reader.takeAligned(length - headerBytes) };
  }
}

/** What the kernel has to say against a request; errno 0 is an acknowledgement. */
export interface KernelAnswer {
  /** Positive. */
  readonly errno: number;
  /** Extended-ack text (NLMSGERR_ATTR_MSG). */
  readonly text?: string;
}

/**
 * Reads the payload of an NLMSG_ERROR: the negative errno, the header of the request (and its payload unless it was left
 * out), then explaining attributes. Throws `MALFORMED_MESSAGE`.
 */
export function decodeAnswer(message: ReceivedMessage): KernelAnswer {
  const { payload, flags } = message;
  const errno = Math.abs(payload.i32());
  if ((flags & messageFlag.explained) === 0) return { errno };
  const requestBytes = payload.u32();
  payload.skip(headerBytes - 4);
  if ((flags & messageFlag.capped) === 0) {
    if (requestBytes < headerBytes) throw malformed(`a refused request says it is ${requestBytes} octets long`);
    payload.takeAligned(requestBytes - headerBytes);
  }
  return withText(errno, payload);
}

/** Reads the payload of an NLMSG_DONE: 0 or the negative errno that ended the dump, then explaining attributes. */
export function decodeDone(message: ReceivedMessage): KernelAnswer {
  const { payload, flags } = message;
  const errno = payload.remaining >= 4 ? Math.abs(payload.i32()) : 0;
  return (flags & messageFlag.explained) === 0 ? { errno } : withText(errno, payload);
}

function withText(errno: number, payload: ByteReader): KernelAnswer {
  let text: string | undefined;
  payload.attributes((type, value) => {
    if (type === errorAttribute.text) text = value.text();
  });
  return text === undefined ? { errno } : { errno, text };
}

/** True for the types that only end or refuse something and carry no object. */
export function isControl(type: number): boolean {
  return type === messageType.noop || type === messageType.error || type === messageType.done;
}

import { assertNever } from "../../core/errors.ts";
import type { NetlinkRequest } from "../types.ts";
import { encodeAddress } from "./address.ts";
import { messageFlag, messageType } from "./constants.ts";
import { encodeLink, encodeLinkChange, encodeLinkDeletion } from "./link-encoder.ts";
import { encodeForwardingEntry, encodeNeighbour } from "./neighbour.ts";
import { encodeRoute, encodeRouteDeletion } from "./route-encoder.ts";
import type { MessageWriter } from "./writer.ts";

const CREATE_OR_REPLACE = messageFlag.create | messageFlag.replace;
const CREATE_ONLY = messageFlag.create | messageFlag.exclusive;

/** Writes the message of one request. Throws `INVALID_REQUEST`, and then has written nothing. */
export function encodeRequest(writer: MessageWriter, sequence: number, request: NetlinkRequest): void {
  const { type, flags, write } = describe(request);
  writer.message(type, flags, sequence, () => write(writer));
}

interface MessageForm {
  readonly type: number;
  readonly flags: number;
  readonly write: (writer: MessageWriter) => void;
}

function describe(request: NetlinkRequest): MessageForm {
  switch (request.op) {
    case "route-replace":
      return form(messageType.newRoute, CREATE_OR_REPLACE, (writer) => encodeRoute(writer, request.route));
    case "route-add":
      return form(messageType.newRoute, CREATE_ONLY, (writer) => encodeRoute(writer, request.route));
    case "route-delete":
      return form(messageType.deleteRoute, 0, (writer) => encodeRouteDeletion(writer, request));
    case "link-add":
      return form(messageType.newLink, CREATE_ONLY, (writer) => encodeLink(writer, request.link));
    case "link-set":
      // Only RTM_NEWLINK hands a tunnel's properties on to its driver, also for a link that exists.
      return form(request.change.tunnel === undefined ? messageType.setLink : messageType.newLink, 0, (writer) =>
        encodeLinkChange(writer, request.link, request.change),
      );
    case "link-delete":
      return form(messageType.deleteLink, 0, (writer) => encodeLinkDeletion(writer, request.link));
    case "address-replace":
      return form(messageType.newAddress, CREATE_OR_REPLACE, (writer) => encodeAddress(writer, request.address));
    case "address-delete":
      return form(messageType.deleteAddress, 0, (writer) => encodeAddress(writer, request.address));
    case "neighbour-replace":
      return form(messageType.newNeighbour, CREATE_OR_REPLACE, (writer) => encodeNeighbour(writer, request.neighbour));
    case "neighbour-delete":
      return form(messageType.deleteNeighbour, 0, (writer) => encodeNeighbour(writer, request.neighbour));
    case "forwarding-replace":
      return form(messageType.newNeighbour, CREATE_OR_REPLACE, (writer) =>
        encodeForwardingEntry(writer, request.entry),
      );
    case "forwarding-delete":
      return form(messageType.deleteNeighbour, 0, (writer) => encodeForwardingEntry(writer, request.entry));
    default:
      return assertNever(request, "netlink request");
  }
}

function form(type: number, flags: number, write: MessageForm["write"]): MessageForm {
  return { type, flags, write };
}

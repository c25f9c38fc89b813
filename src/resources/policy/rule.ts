import type { ObjectSchema } from "../schema.ts";
import {
  cidr,
  labelKey,
  namespaceName,
  namespaceSelector,
  portOrName,
  protocolName,
  resourceName,
  selector,
} from "../text-formats.ts";

/** What a packet must be like, all of it together, and what then becomes of it. */
export interface PolicyRule {
  readonly action: "Allow" | "Deny" | "Log" | "Pass";
  readonly ipVersion?: number;
  /** A number, or a name such as TCP. */
  readonly protocol?: number | string;
  readonly icmp?: IcmpMatch;
  readonly notProtocol?: number | string;
  readonly notICMP?: IcmpMatch;
  readonly source?: EntityRule;
  readonly destination?: EntityRule;
  readonly http?: HttpMatch;
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
}

export interface IcmpMatch {
  readonly type?: number;
  readonly code?: number;
}

/** One side of a packet. */
export interface EntityRule {
  readonly nets?: readonly string[];
  readonly selector?: string;
  readonly namespaceSelector?: string;
  readonly services?: { readonly name?: string; readonly namespace?: string };
  /** Numbers, ranges such as 8000:8080, and names of endpoints' ports. */
  readonly ports?: readonly (number | string)[];
  readonly notNets?: readonly string[];
  readonly notSelector?: string;
  readonly notPorts?: readonly (number | string)[];
  readonly serviceAccounts?: { readonly names?: readonly string[]; readonly selector?: string };
}

export interface HttpMatch {
  readonly methods?: readonly string[];
  readonly paths?: readonly { readonly exact?: string; readonly prefix?: string }[];
}

const selectorText = { type: "text", maxLength: 1024, format: selector } as const;
const nets = { type: "list", unique: true, maxItems: 256, items: { type: "text", format: cidr } } as const;
const ports = {
  type: "list",
  maxItems: 50,
  items: { type: "numberOrText", min: 1, max: 65535, format: portOrName },
} as const;
const protocol = { type: "numberOrText", zero: "keep", min: 1, max: 255, format: protocolName } as const;
const protocolText = "TCP, UDP, SCTP, ICMP, ICMPv6, UDPLite, or a number from 1 to 255.";

const icmpFields = {
  type: { type: "integer", zero: "keep", min: 0, max: 254, description: "ICMP type; 8 is an echo request (ping)." },
  code: { type: "integer", zero: "keep", min: 0, max: 255, description: "ICMP code; needs type." },
} as const;

const entityRuleSchema: ObjectSchema<EntityRule> = {
  type: "object",
  fields: {
    nets: { ...nets, description: "The address lies in one of these prefixes." },
    selector: { ...selectorText, description: "The address is that of an endpoint or network set with such labels." },
    namespaceSelector: {
      type: "text",
      maxLength: 1024,
      format: namespaceSelector,
      description:
        "The endpoint's namespace has such labels; global() alone: the endpoint belongs to no namespace, as host endpoints and global network sets do.",
      default: "the policy's own namespace; all, if it has none",
    },
    services: {
      type: "object",
      description:
        "The address is that of an endpoint of a Kubernetes service, and the port, for egress, one of its ports. Not together with nets, selectors or service accounts.",
      fields: {
        name: { type: "text", format: resourceName, description: "The service's name." },
        namespace: {
          type: "text",
          format: namespaceName,
          description: "The service's namespace; a GlobalNetworkPolicy needs it.",
          default: "the policy's own",
        },
      },
    },
    ports: { ...ports, description: "Ports, ranges such as 8000:8080, or names of endpoints' ports. Needs protocol." },
    notNets: { ...nets, description: "The address lies in none of these prefixes." },
    notSelector: { ...selectorText, description: "The address is not that of an endpoint with such labels." },
    notPorts: { ...ports, description: "The port is none of these. Needs protocol." },
    serviceAccounts: {
      type: "object",
      description: "The endpoint runs as one of these service accounts.",
      fields: {
        names: {
          type: "list",
          unique: true,
          items: { type: "text", format: resourceName },
          description: "Their names.",
        },
        selector: { ...selectorText, description: "Their labels; together with names, both must fit." },
      },
    },
  },
};

/** A rule of a policy or profile. */
export const ruleSchema: ObjectSchema<PolicyRule> = {
  type: "object",
  fields: {
    action: {
      type: "text",
      required: true,
      values: ["Allow", "Deny", "Log", "Pass"],
      description: "Let the packet pass, refuse it, log it and go on, or leave it to the next tier.",
    },
    ipVersion: {
      type: "integer",
      min: 4,
      max: 6,
      description: "4 or 6: packets of this family only.",
      default: "both",
    },
    protocol: { ...protocol, description: `The protocol: ${protocolText}`, default: "any" },
    icmp: {
      type: "object",
      fields: icmpFields,
      description: "The kind of ICMP packet; needs protocol ICMP or ICMPv6.",
    },
    notProtocol: { ...protocol, description: `Not this protocol: ${protocolText}` },
    notICMP: { type: "object", fields: icmpFields, description: "Not this kind of ICMP packet." },
    source: { ...entityRuleSchema, description: "Where the packet comes from.", default: "anywhere" },
    destination: { ...entityRuleSchema, description: "Where the packet goes.", default: "anywhere" },
    http: {
      type: "object",
      description: "What an HTTP request must be like; for ingress rules with action Allow, and protocol TCP or none.",
      fields: {
        methods: {
          type: "list",
          unique: true,
          maxItems: 20,
          items: { type: "text" },
          description: "One of these methods, such as GET.",
          default: "any",
        },
        paths: {
          type: "list",
          maxItems: 20,
          description: "One of these paths.",
          default: "any",
          items: {
            type: "object",
            fields: {
              exact: { type: "text", maxLength: 1024, description: "The whole path." },
              prefix: { type: "text", maxLength: 1024, description: "What the path begins with." },
            },
          },
        },
      },
    },
    metadata: {
      type: "object",
      description: "Notes about the rule.",
      fields: { annotations: { type: "map", keyFormat: labelKey, description: "Text by name." } },
    },
  },
};

import { defineKind } from "./kind-definition.ts";
import type { ValueOf } from "./schema.ts";
import {
  addressOrCidr,
  duration,
  labelKey,
  labelValue,
  regularExpression,
  resourceName,
  selector,
} from "./text-formats.ts";

const onOff = (description: string, unset: string) =>
  ({ type: "text", values: ["Enabled", "Disabled"], description, default: unset }) as const;

const reconcilerPeriod = {
  type: "text",
  format: duration,
  description: "How often the datastore is compared with what it should hold.",
  default: "5m",
} as const;

const controller = (description: string) =>
  ({ type: "object", fields: { reconcilerPeriod }, description, default: "does not run" }) as const;

const hostEndpointTemplate = {
  type: "object",
  fields: {
    generateName: { type: "text", format: resourceName, description: "What the names of the host endpoints end with." },
    interfaceCIDRs: {
      type: "list",
      unique: true,
      items: { type: "text", format: addressOrCidr },
      description: "Only addresses of the node in these prefixes.",
      default: "all",
    },
    interfacePattern: {
      type: "text",
      format: regularExpression,
      description: "A host endpoint for every device whose name matches.",
    },
    labels: { type: "map", keyFormat: labelKey, valueFormat: labelValue, description: "Labels of the host endpoints." },
    nodeSelector: { type: "text", format: selector, description: "Only nodes with such labels.", default: "all()" },
  },
} as const;

const spec = {
  type: "object",
  fields: {
    logSeverityScreen: {
      type: "text",
      values: ["None", "Debug", "Info", "Warning", "Error", "Fatal", "Panic"],
      description: "From which level on log lines are written.",
      default: "Info",
    },
    healthChecks: onOff("Whether the controllers' health is checked and served.", "Enabled"),
    etcdV3CompactionPeriod: {
      type: "text",
      format: duration,
      description: "How old revisions of etcd become before they are removed; 0s for never.",
      default: "10m",
    },
    prometheusMetricsPort: {
      type: "integer",
      zero: "keep",
      min: 0,
      max: 65535,
      description: "TCP port of the metrics server; 0 for none.",
      default: "9094",
    },
    controllers: {
      type: "object",
      zero: "fill",
      description: "The controllers that run: those whose object is there.",
      fields: {
        node: {
          type: "object",
          description: "Removes what nodes that are gone have left, and copies nodes' labels.",
          default: "does not run",
          fields: {
            reconcilerPeriod,
            syncLabels: onOff("Whether labels of Kubernetes' nodes are copied to Calico's.", "Enabled"),
            hostEndpoint: {
              type: "object",
              description: "Makes host endpoints for all nodes.",
              default: "makes none",
              fields: {
                autoCreate: onOff("Whether host endpoints are made.", "Disabled"),
                createDefaultHostEndpoint: onOff("Whether every node gets one for all its devices.", "Enabled"),
                templates: {
                  type: "list",
                  items: hostEndpointTemplate,
                  description: "Further host endpoints for every node.",
                  default: "none",
                },
              },
            },
            leakGracePeriod: {
              type: "text",
              format: duration,
              description: "How long an address may be without a pod before it is released; 0s for ever.",
              default: "15m",
            },
          },
        },
        policy: controller("Copies network policies of Kubernetes."),
        workloadEndpoint: controller("Copies labels of pods to their endpoints."),
        serviceAccount: controller("Keeps a profile for every service account."),
        namespace: controller("Keeps a profile for every namespace."),
        loadBalancer: {
          type: "object",
          description: "Gives addresses to services of type LoadBalancer.",
          default: "does not run",
          fields: {
            assignIPs: {
              type: "text",
              values: ["AllServices", "RequestedServicesOnly"],
              description: "Which services get one.",
              default: "AllServices",
            },
          },
        },
        policyMigration: {
          type: "object",
          description: "Gives policies that older versions have stored their own names.",
          default: "does not run",
          fields: { enabled: onOff("Whether it does.", "Enabled") },
        },
      },
    },
    debugProfilePort: {
      type: "integer",
      zero: "keep",
      min: 0,
      max: 65535,
      description: "TCP port on which profiles are served.",
      default: "none",
    },
  },
} as const;

/** Settings of Calico's controllers for Kubernetes; the one object is named `default`. */
export type KubeControllersConfigurationSpec = ValueOf<typeof spec>;

export const kubeControllersConfigurationKind = defineKind<KubeControllersConfigurationSpec>({
  kind: "KubeControllersConfiguration",
  description: 'Settings of Calico\'s controllers for Kubernetes. There is one object, named "default".',
  plural: "kubecontrollersconfigurations",
  keptForCalico: true,
  namespaced: false,
  aliases: ["kubecontrollersconfiguration", "kubecontrollersconfig", "kubecontrollersconfigs"],
  status: "always",
  spec,
  check: (_spec, { name }) =>
    name === "default" ? [] : [{ path: ["metadata", "name"], value: name, reason: 'must be "default"' }],
});

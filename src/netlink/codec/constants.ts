// Numbers of linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, neighbour.h, if_tunnel.h and veth.h under our names.

export const headerBytes = 16;

/** NLMSG_* and RTM_*. */
export const messageType = {
  noop: 1,
  error: 2,
  done: 3,
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  deleteNeighbour: 29,
  getNeighbour: 30,
} as const;

/** NLM_F_*; several share a bit, and the kind of message says which is meant. */
export const messageFlag = {
  request: 0x1,
  acknowledge: 0x4,
  dumpInterrupted: 0x10,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  /** On an error: the request's payload was left out of it. */
  capped: 0x100,
  /** On an error: attributes that explain it follow. */
  explained: 0x200,
} as const;

export const errorAttribute = { text: 1 } as const;

/** RTNLGRP_*. */
export const multicastGroup = {
  link: 1,
  neighbour: 3,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv6Address: 9,
  ipv6Route: 11,
} as const;

/** AF_*. */
export const family = { unspecified: 0, ipv4: 2, bridge: 7, ipv6: 10 } as const;

export const routeAttribute = {
  destination: 1,
  outputInterface: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  via: 18,
} as const;

/** RTAX_*. */
export const routeMetric = { mtu: 2 } as const;

/** RTM_F_*. */
export const routeFlag = { cloned: 0x200, lookupTable: 0x1000 } as const;

/** RTNH_F_*. */
export const nextHopFlag = { dead: 1, onlink: 4, linkDown: 16 } as const;

export const linkAttribute = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  operationalState: 16,
  linkInfo: 18,
  namespaceFd: 28,
  extendedMask: 29,
  linkNamespaceId: 37,
} as const;

/** IFLA_INFO_*. */
export const linkInfo = { kind: 1, data: 2 } as const;

/** RTEXT_FILTER_SKIP_STATS: counters make up most of a link's description and nobody here reads them. */
export const skipStatistics = 8;

/** IFF_*. */
export const interfaceFlag = { up: 0x1, loopback: 0x8, running: 0x40 } as const;

export const vethAttribute = { peer: 1 } as const;

export const vxlanAttribute = {
  vni: 1,
  group: 2,
  link: 3,
  local: 4,
  learning: 7,
  proxy: 11,
  l2miss: 13,
  l3miss: 14,
  port: 15,
  group6: 16,
  local6: 17,
  gbp: 23,
  external: 25,
} as const;

export const tunnelAttribute = { link: 1, local: 2, remote: 3, ttl: 4, pmtuDiscovery: 10 } as const;

export const addressAttribute = { address: 1, local: 2, flags: 8 } as const;

/** IFA_F_TEMPORARY, IFA_F_NODAD, IFA_F_DADFAILED and IFA_F_DEPRECATED. */
export const addressFlag = { temporary: 1, noDuplicateDetection: 2, duplicate: 8, deprecated: 0x20 } as const;

export const neighbourAttribute = { destination: 1, linkLayerAddress: 2, interfaceIndex: 8 } as const;

/** NTF_SELF: the entry belongs to the device itself, not to the bridge above it. */
export const neighbourFlag = { self: 2 } as const;

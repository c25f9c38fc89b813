// A node that takes one address per pod, and says so after each: node assigner.mjs DIST PATH NODE COUNT
const [dist, path, nodeName, count] = process.argv.slice(2);
const { openEmbeddedDatastore } = await import(`${dist}/datastore/embedded/open.js`);
const { Ipam } = await import(`${dist}/ipam/ipam.js`);
const { effectivePool } = await import(`${dist}/resources/ip-pool.js`);
const { silentLogger } = await import(`${dist}/core/logger.js`);

const clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
const pool = { name: "v4", ...effectivePool({ cidr: "10.0.0.0/24", blockSize: 28 }) };
const datastore = await openEmbeddedDatastore({ path });
const ipam = new Ipam({
  datastore,
  nodeName,
  clock,
  random: Math.random,
  logger: silentLogger,
  pools: () => [pool],
  nodeLabels: () => ({}),
});
for (let pod = 0; pod < Number(count); pod++) {
  const handleId = `net.${nodeName}-${process.pid}-${pod}`;
  const attributes = { node: nodeName };
  const { ipv4 } = await ipam.autoAssign({ handleId, attributes, count4: 1, count6: 0, intendedUse: "Workload" });
  process.stdout.write(`${ipv4[0].address} ${handleId}\n`);
}
await datastore.close();

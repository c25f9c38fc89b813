// A process that adds one to two keys together as often as it can, and says so after each: node incrementer.mjs DIST PATH COUNT
const [dist, path, count] = process.argv.slice(2);
const { openEmbeddedDatastore } = await import(`${dist}/datastore/embedded/open.js`);
const store = await openEmbeddedDatastore({ path, compaction: { journalBytes: 30_000, historyRevisions: 500 } });

const compare = (item, key) => ({ key, target: "modRevision", result: "equal", value: item?.modRevision ?? 0n });
const next = (item, key) => ({ type: "put", key, value: `${Number(item?.value ?? 0) + 1}` });

for (let done = 0; done < Number(count); ) {
  const pair = Math.floor(Math.random() * 5);
  const [x, y] = [`/c/x${pair}`, `/c/y${pair}`];
  const [itemX, itemY] = [(await store.get(x)).item, (await store.get(y)).item];
  const compares = [compare(itemX, x), compare(itemY, y)];
  const result = await store.transact({ compares, success: [next(itemX, x), next(itemY, y)] });
  if (!result.succeeded) continue;
  done++;
  process.stdout.write(`${result.revision}\n`);
}
await store.close();

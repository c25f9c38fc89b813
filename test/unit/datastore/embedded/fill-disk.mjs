// Writes until the file size limit of the process stops it: node fill-disk.mjs DIST PATH
const [dist, path] = process.argv.slice(2);
process.on("SIGXFSZ", () => undefined);
const { openEmbeddedDatastore } = await import(`${dist}/datastore/embedded/open.js`);
const store = await openEmbeddedDatastore({ path });
const value = "x".repeat(300);
const results = await Promise.allSettled(
  Array.from({ length: 100 }, (_, index) =>
    store.transact({ compares: [], success: [{ type: "put", key: `/c/${index}`, value }] }),
  ),
);
const { items, revision } = await store.list("/c/");
const reopened = await openEmbeddedDatastore({ path });
const again = await reopened.list("/c/");
if (again.revision !== revision || again.items.length !== items.length) console.error("the two views differ");
const codes = results.flatMap((result) => (result.status === "rejected" ? [result.reason.code] : []));
const acknowledged = results.length - codes.length;
console.log(JSON.stringify({ codes, stored: items.length, acknowledged, revision: `${revision}` }));
await store.close();
await reopened.close();

// Does one of everything with Microsoft's JavaScript SDK, and prints what came of it as JSON.
const { CosmosClient } = require("@azure/cosmos");

const [endpoint, key] = process.argv.slice(2);
const status = (promise) => promise.then((answer) => answer.statusCode, (error) => error.code);

async function main() {
  const client = new CosmosClient({ endpoint, key });
  const { database } = await client.databases.createIfNotExists({ id: "js" });
  const { container } = await database.containers.createIfNotExists({
    id: "items", partitionKey: { paths: ["/part"] }, defaultTtl: -1,
  });
  const items = container.items;
  const told = {};
  const made = await items.create({ id: "1", part: "a", n: 1 });
  told.created = [made.statusCode, made.requestCharge > 0];
  told.again = await status(items.create({ id: "1", part: "a" }));
  const one = container.item("1", "a");
  told.read = (await one.read()).resource.n;
  told.missing = (await container.item("2", "a").read()).statusCode;
  const stale = { accessCondition: { type: "IfMatch", condition: made.etag } };
  told.replaced = await status(one.replace({ id: "1", part: "a", n: 2 }, stale));
  told.stale = await status(one.replace({ id: "1", part: "a", n: 3 }, stale));
  told.patched = (await one.patch([{ op: "incr", path: "/n", value: 5 }])).resource.n;
  const failed = await items.batch([
    { operationType: "Create", resourceBody: { id: "2", part: "a" } },
    { operationType: "Create", resourceBody: { id: "1", part: "a" } },
  ], "a");
  told.batch = failed.result.map((result) => result.statusCode);
  told.undone = (await container.item("2", "a").read()).statusCode;
  for (const id of ["x", "y", "z"]) await items.upsert({ id, part: "b", n: id.charCodeAt(0) });
  const query = { query: "SELECT c.id FROM c WHERE c.n > @n ORDER BY c.n DESC", parameters: [{ name: "@n", value: 120 }] };
  const pages = items.query(query, { partitionKey: "b", maxItemCount: 1 });
  told.pages = [];
  while (pages.hasMoreResults()) {
    const { resources } = await pages.fetchNext();
    if (resources && resources.length) told.pages.push(resources.map((found) => found.id));
  }
  told.deleted = await status(one.delete());
  const stranger = new CosmosClient({ endpoint, key: Buffer.from("wrong").toString("base64") });
  told.stranger = await status(stranger.database("js").read());
  console.log(JSON.stringify(told));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

// Does one of everything with Microsoft's JavaScript SDK, and prints what came of it as JSON.
const { SecretClient } = require("@azure/keyvault-secrets");

const [vault, token] = process.argv.slice(2);
const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600000 }) };

async function main() {
  const client = new SecretClient(vault, credential, { disableChallengeResourceVerification: true });
  const told = {};
  const first = await client.setSecret("one", "1", { tags: { a: "b" } });
  await client.setSecret("one", "2");
  told.newest = (await client.getSecret("one")).value;
  told.first = (await client.getSecret("one", { version: first.properties.version })).value;
  await client.updateSecretProperties("one", first.properties.version, { enabled: false });
  told.versions = [];
  for await (const version of client.listPropertiesOfSecretVersions("one")) {
    told.versions.push([version.enabled, (version.tags || {}).a || null]);
  }
  told.versions.sort();
  told.disabled = await client.getSecret("one", { version: first.properties.version }).catch((error) => error.statusCode);
  const poller = await client.beginDeleteSecret("one");
  await poller.pollUntilDone();
  told.deleted = await client.getSecret("one").catch((error) => error.statusCode);
  const back = await client.beginRecoverDeletedSecret("one");
  await back.pollUntilDone();
  told.recovered = (await client.getSecret("one")).value;
  console.log(JSON.stringify(told));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

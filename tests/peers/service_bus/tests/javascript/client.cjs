// Drives the peer with @azure/service-bus: an AMQP implementation that shares nothing with the Python SDK.
// Prints one JSON line: what it saw.
const { ServiceBusClient } = require("@azure/service-bus");

const wait = { maxWaitTimeInMs: 5000 };

async function take(receiver, count) {
  const found = [];
  while (found.length < count) found.push(...(await receiver.receiveMessages(count - found.length, wait)));
  return found;
}

async function plain(client, seen) {
  const sender = client.createSender("plain");
  const large = "x".repeat(200000);
  await sender.sendMessages([{ body: "a", messageId: "1" }, { body: "b", messageId: "2" }]);
  const batch = await sender.createMessageBatch();
  batch.tryAddMessage({ body: { x: 1 }, messageId: "3", applicationProperties: { kept: "yes" } });
  await sender.sendMessages(batch);
  await sender.sendMessages({ body: large, messageId: "4" });
  const receiver = client.createReceiver("plain");
  const [a, b, c, d] = await take(receiver, 4);
  seen.numbers = [a, b, c, d].map((each) => Number(each.sequenceNumber));
  seen.large = d.body === large;
  await receiver.completeMessage(a);
  await receiver.abandonMessage(b, { tried: "once" });
  await receiver.deadLetterMessage(c, { deadLetterReason: "why", deadLetterErrorDescription: "text", more: "info" });
  await receiver.renewMessageLock(d);
  await receiver.completeMessage(d);
  const [again] = await take(receiver, 1);
  seen.again = [again.body, again.deliveryCount, again.applicationProperties];
  await receiver.deferMessage(again);
  const [deferred] = await receiver.receiveDeferredMessages([again.sequenceNumber]);
  seen.deferred = deferred.body;
  await receiver.completeMessage(deferred);
  const below = client.createReceiver("plain", { subQueueType: "deadLetter" });
  const [dead] = await take(below, 1);
  seen.dead = [dead.body, dead.deadLetterReason, dead.deadLetterErrorDescription, dead.applicationProperties];
  await below.completeMessage(dead);
  const [number] = await sender.scheduleMessages([{ body: "later", messageId: "5" }], new Date(Date.now() + 60000));
  seen.scheduled = (await receiver.peekMessages(5)).map((each) => [each.body, each.state]);
  await sender.cancelScheduledMessages([number]);
}

async function fifo(client, seen) {
  const sender = client.createSender("fifo");
  await sender.sendMessages([1, 2, 3].map((each) => ({ body: each, sessionId: "s", messageId: `${each}` })));
  const session = await client.acceptNextSession("fifo", { maxAutoLockRenewalDurationInMs: 0 });
  const found = await take(session, 3);
  seen.session = [session.sessionId, found.map((each) => each.body)];
  for (const each of found) await session.completeMessage(each);
  await session.setSessionState("state");
  seen.state = await session.getSessionState();
  seen.renewed = (await session.renewSessionLock()) > new Date();
  seen.busy = await client.acceptSession("fifo", "s").then(() => "no", (error) => error.code);
  seen.unknown = await client.createReceiver("none").receiveMessages(1, wait).then(() => "no", (error) => error.code);
}

async function main() {
  const client = new ServiceBusClient(process.argv[2], { retryOptions: { maxRetries: 0 } });
  const seen = {};
  await plain(client, seen);
  await fifo(client, seen);
  await client.close();
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

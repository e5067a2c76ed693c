// Fastify + better-sqlite3, synchronous=FULL, one transaction for each webhook.
import { need } from "./need.mjs";
import { genuine, parse, rawBody } from "./webhooks.mjs";

const fastify = need("fastify")();
const db = new (need("better-sqlite3"))(process.env.BENCH_DATABASE.replace("sqlite:///", ""));
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec(`
  CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
  CREATE TABLE identity (id INTEGER PRIMARY KEY, address TEXT UNIQUE, channel TEXT, user_id INTEGER);
  CREATE TABLE event (id INTEGER PRIMARY KEY, key TEXT UNIQUE, user_id INTEGER, text TEXT, body BLOB);
`);
const findEvent = db.prepare("SELECT 1 FROM event WHERE key = ?");
const addUser = db.prepare("INSERT INTO user (name) VALUES (?) ON CONFLICT DO NOTHING");
const findUser = db.prepare("SELECT id FROM user WHERE name = ?");
const addIdentity = db.prepare(
  "INSERT INTO identity (address, channel, user_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
);
const addEvent = db.prepare("INSERT INTO event (key, user_id, text, body) VALUES (?, ?, ?, ?)");

const store = db.transaction((message, body) => {
  if (findEvent.get(message.key)) return;
  addUser.run(message.user);
  const { id } = findUser.get(message.user);
  addIdentity.run(message.address, message.channel, id);
  addEvent.run(message.key, id, message.text, body);
});

rawBody(fastify);
fastify.post("/webhooks/:account", async (request, reply) => {
  const { account } = request.params;
  if (!genuine(account, request.headers, request.body)) return reply.code(401).send();
  store.immediate(parse(account, request.body), request.body);
  return reply.code(200).send();
});
await fastify.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });

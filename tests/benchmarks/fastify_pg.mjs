// Fastify + pg: everything of one webhook in one statement, which is one transaction.
import { need } from "./need.mjs";
import { genuine, parse, rawBody } from "./webhooks.mjs";

const fastify = need("fastify")();
const pool = new (need("pg").Pool)({ connectionString: process.env.BENCH_DATABASE, max: 20 });
await pool.query(`
  CREATE TABLE person (name TEXT PRIMARY KEY);
  CREATE TABLE identity (address TEXT PRIMARY KEY, channel TEXT, person TEXT);
  CREATE TABLE event (id BIGSERIAL PRIMARY KEY, key TEXT UNIQUE, person TEXT, text TEXT, body BYTEA);
`);
const store = {
  name: "store",
  text: `
    WITH new AS (
      INSERT INTO event (key, person, text, body) VALUES ($1, $2, $3, $4)
      ON CONFLICT DO NOTHING RETURNING person
    ), who AS (
      INSERT INTO person (name) SELECT person FROM new ON CONFLICT DO NOTHING
    )
    INSERT INTO identity (address, channel, person) SELECT $5, $6, person FROM new
    ON CONFLICT DO NOTHING`,
};

rawBody(fastify);
fastify.post("/webhooks/:account", async (request, reply) => {
  const { account } = request.params;
  if (!genuine(account, request.headers, request.body)) return reply.code(401).send();
  const { key, user, text, address, channel } = parse(account, request.body);
  await pool.query({ ...store, values: [key, user, text, request.body, address, channel] });
  return reply.code(200).send();
});
await fastify.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });

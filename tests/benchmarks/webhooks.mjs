// What the Node peers share: is a request genuine, and whom is it about.
import { createHmac, timingSafeEqual } from "node:crypto";

const smoochSecret = process.env.BENCH_SMOOCH_SECRET;
const sinchSecret = process.env.BENCH_SINCH_SECRET;
const prefix = "x-sinch-webhook-signature";

function same(given, made) {
  const [a, b] = [Buffer.from(given ?? ""), Buffer.from(made)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function genuine(account, headers, body) {
  if (account === "chat") return same(headers["x-api-key"], smoochSecret);
  const mac = createHmac("sha256", sinchSecret).update(body);
  mac.update(`.${headers[`${prefix}-nonce`]}.${headers[`${prefix}-timestamp`]}`);
  return same(headers[prefix], mac.digest("base64"));
}

export function parse(account, body) {
  const data = JSON.parse(body);
  if (account === "texts") {
    const { id, contact_id: user, channel_identity: place, contact_message: said } = data.message;
    const address = `+${place.identity}`;
    return { key: `sinch:${id}`, user, channel: "sms", address, text: said.text_message.text };
  }
  if (data.events) {
    const [event] = data.events;
    const { author, source, content } = event.payload.message;
    const address = source.client.externalId;
    return { key: `smooch:${event.id}`, user: author.userId, channel: "sms", address, text: content.text };
  }
  const [message] = data.messages;
  const address = data.client.externalId;
  return { key: `smooch:${message._id}`, user: data.appUser._id, channel: "sms", address, text: message.text };
}

export function rawBody(fastify) {
  const asBuffer = (request, body, done) => done(null, body);
  fastify.removeContentTypeParser("application/json");
  fastify.addContentTypeParser("application/json", { parseAs: "buffer" }, asBuffer);
}

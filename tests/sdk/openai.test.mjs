// The official OpenAI SDK for JavaScript, unmodified, with imagioo's address and key in its environment.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

const require = createRequire(process.env.SDK_JAVASCRIPT);
const { OpenAI, toFile } = require("openai");

const client = new OpenAI();
const size = "256x256";

/** Width and height of a PNG. */
function png(base64) {
  const file = Buffer.from(base64, "base64");
  assert.equal(file.subarray(1, 4).toString(), "PNG");
  return [file.readUInt32BE(16), file.readUInt32BE(20)];
}

async function drawn(prompt) {
  const answer = await client.images.generate({ model: "sketch", prompt, size });
  return Buffer.from(answer.data[0].b64_json, "base64");
}

const picture = (file) => toFile(file, "picture.png", { type: "image/png" });

test("several images of a size", async () => {
  const answer = await client.images.generate({ model: "sketch", prompt: "a red fox", n: 2, size: "512x512" });
  assert.match(answer._request_id, /^req_/);
  assert.deepEqual(answer.data.map((image) => png(image.b64_json)), [[512, 512], [512, 512]]);
  assert.equal(answer.usage.credits, 2);
});

test("an edit with a mask, one with several pictures, and a variation", async () => {
  const [fox, boat] = [await drawn("a red fox"), await drawn("a boat")];
  const masked = await client.images.edit({
    model: "sketch", image: await picture(fox), mask: await picture(leftHalf()), prompt: "a sunny day",
  });
  assert.deepEqual(png(masked.data[0].b64_json), [256, 256]);
  const several = await client.images.edit({
    model: "sketch", image: [await picture(fox), await picture(boat)], prompt: "both in the snow", n: 2,
  });
  assert.equal(several.data.length, 2);
  const varied = await client.images.createVariation({ model: "sketch", image: await picture(fox) });
  assert.equal(varied.data.length, 1);
});

/** A mask of 256 × 256 pixels in grey with alpha, transparent on the left, where to edit. */
function leftHalf() {
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(256), Buffer.alloc(256, 0xff)]);
  const chunk = (name, body) => {
    const named = Buffer.concat([Buffer.from(name), body]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(body.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const head = Buffer.from([0, 0, 1, 0, 0, 0, 1, 0, 8, 4, 0, 0, 0]);
  const data = deflateSync(Buffer.concat(Array(256).fill(row)));
  return Buffer.concat([magic, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

test("a stream shows partial images before the last one", async () => {
  const stream = await client.images.generate({
    model: "sketch", prompt: "a red fox", size, stream: true, partial_images: 3,
  });
  const events = [];
  for await (const event of stream) events.push(event);
  const last = events.pop();
  // A busy machine may skip one; the last image never waits for them.
  assert.ok(events.length >= 1 && events.length <= 3, String(events.length));
  events.forEach((event, place) => {
    assert.deepEqual([event.type, event.partial_image_index], ["image_generation.partial_image", place]);
    png(event.b64_json);
  });
  assert.equal(last.type, "image_generation.completed");
  assert.deepEqual(png(last.b64_json), [256, 256]);
});

test("the stream of an edit", async () => {
  const stream = await client.images.edit({
    model: "sketch", image: await picture(await drawn("a red fox")), prompt: "in the snow", size,
    input_fidelity: "low", stream: true, partial_images: 1,
  });
  const events = [];
  for await (const event of stream) events.push(event);
  const last = events.pop();
  // A busy machine may skip one; the last image never waits for them.
  assert.ok(events.length <= 1, String(events.length));
  for (const event of events) assert.equal(event.type, "image_edit.partial_image");
  assert.equal(last.type, "image_edit.completed");
  assert.deepEqual(png(last.b64_json), [256, 256]);
});

test("a failure within a stream is an error of the SDK", async () => {
  const stream = await client.images.generate({ model: "broken", prompt: "a red fox", stream: true });
  const read = async () => {
    for await (const event of stream) assert.fail(`no event is an image: ${event.type}`);
  };
  await assert.rejects(read(), (error) => {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.equal(error.code, "provider_unavailable");
    return true;
  });
});

test("an edit in JSON names its pictures", async () => {
  const fox = await drawn("a red fox");
  const answer = await client.post("/images/edits", {
    body: {
      model: "sketch", prompt: "in the snow", size,
      images: [{ image_url: `data:image/png;base64,${fox.toString("base64")}` }],
    },
  });
  assert.deepEqual(png(answer.data[0].b64_json), [256, 256]);
});

test("a picture that is too large is refused", async () => {
  const large = await picture(Buffer.alloc(21 * 1024 * 1024));
  await assert.rejects(client.images.edit({ model: "sketch", image: large, prompt: "a fox" }), (error) => {
    assert.deepEqual([error.status, error.code], [413, "request_too_large"]);
    return true;
  });
});

test("a repeated key is the same image", async () => {
  const headers = { "Idempotency-Key": randomUUID() };
  const ask = () => client.images.generate({ model: "sketch", prompt: "a red fox", size }, { headers }).withResponse();
  const [first, second] = await Promise.all([ask(), ask()]);
  assert.equal(
    first.response.headers.get("x-imagioo-generation"),
    second.response.headers.get("x-imagioo-generation"),
  );
  assert.equal(first.data.data[0].b64_json, second.data.data[0].b64_json);
});

test("refusals have the error that the SDK has for them", async () => {
  const ask = (parameters) => client.images.generate({ model: "sketch", prompt: "a fox", ...parameters });
  const refused = (kind, code, param) => (error) => {
    assert.ok(error instanceof kind, String(error));
    assert.deepEqual([error.code, error.param], [code, param]);
    assert.match(error.requestID, /^req_/);
    return true;
  };
  await assert.rejects(ask({ n: 9 }), refused(OpenAI.BadRequestError, "unsupported_value", "n"));
  await assert.rejects(ask({ style: "vivid" }), refused(OpenAI.BadRequestError, "unknown_parameter", "style"));
  await assert.rejects(ask({ model: "dall-e-3" }), refused(OpenAI.NotFoundError, "model_not_found", "model"));
  await assert.rejects(ask({ model: "dear" }), refused(OpenAI.RateLimitError, "insufficient_quota", null));
  const stranger = new OpenAI({ apiKey: "img_live_nonsense" });
  await assert.rejects(stranger.models.list(), refused(OpenAI.AuthenticationError, "invalid_api_key", null));
});

test("the models are listed", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes("sketch") && ids.includes("dear"), String(ids));
});

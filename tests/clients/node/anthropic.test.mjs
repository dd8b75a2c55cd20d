// Anthropic's SDK: messages, streams, tools, images, errors.

import Anthropic from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import test from "node:test";
import { asked, gateway, key, pixel, weather } from "./stage.mjs";

const client = new Anthropic({ baseURL: gateway, apiKey: key, maxRetries: 0 });
const said = (content) => [{ role: "user", content }];
const tools = [{ name: "weather", input_schema: weather }];
const ask = (more, who = client) => who.messages.create({ model: "demo/echo", max_tokens: 100, messages: said("hello there"), ...more });

test("anthropic message", async () => {
  const message = await ask({});
  assert.equal(message.content[0].text, "You said: hello there");
  assert.equal(message.stop_reason, "end_turn");
  assert.deepEqual([message.usage.input_tokens, message.usage.output_tokens], [2, 4]);
});

test("anthropic stream", async () => {
  const stream = client.messages.stream({ model: "demo/echo", max_tokens: 100, messages: said("one two three") });
  let text = "";
  stream.on("text", (piece) => (text += piece));
  const message = await stream.finalMessage();
  assert.equal(text, "You said: one two three");
  assert.equal(message.usage.output_tokens, 5);
});

test("anthropic tools round trip", async () => {
  const first = await ask({ messages: said("Oslo"), tools });
  assert.equal(first.stop_reason, "tool_use");
  const call = first.content.find((block) => block.type === "tool_use");
  assert.deepEqual(call.input, { city: "Oslo" });
  const history = [
    ...said("Oslo"),
    { role: "assistant", content: first.content },
    ...said([{ type: "tool_result", tool_use_id: call.id, content: "rain" }]),
  ];
  assert.equal((await ask({ messages: history, tools })).content[0].text, "The tool said: rain");
});

test("anthropic images", async () => {
  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } };
  await ask({ model: "scripted-openai", messages: said([image, { type: "text", text: "What?" }]) });
  const { body } = await asked();
  assert.equal(body.messages[0].content[0].image_url.url, `data:image/png;base64,${pixel}`);
});

test("anthropic errors", async () => {
  const stranger = new Anthropic({ baseURL: gateway, apiKey: "sk-wrong", maxRetries: 0 });
  await assert.rejects(ask({}, stranger), Anthropic.AuthenticationError);
  await assert.rejects(ask({ model: "no-such-model" }), Anthropic.NotFoundError);
  for (const provider of ["openai", "anthropic", "gemini"]) {
    await assert.rejects(ask({ model: `${provider}-400` }), Anthropic.BadRequestError);
    await assert.rejects(ask({ model: `${provider}-429` }), Anthropic.RateLimitError);
    await assert.rejects(ask({ model: `${provider}-500` }), Anthropic.InternalServerError);
  }
});

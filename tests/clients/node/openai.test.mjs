// OpenAI's SDK: chat, streams, tools, images, structured output, embeddings, Responses, errors.

import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { asked, gateway, key, pixel, weather } from "./stage.mjs";

const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: key, maxRetries: 0 });
const said = (content) => [{ role: "user", content }];
const tools = [{ type: "function", function: { name: "weather", parameters: weather } }];

test("openai chat", async () => {
  const completion = await client.chat.completions.create({ model: "demo/echo", messages: said("hello there") });
  assert.equal(completion.choices[0].message.content, "You said: hello there");
  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.equal(completion.usage.total_tokens, 6);
});

test("openai stream", async () => {
  const stream = await client.chat.completions.create({
    model: "demo/echo", messages: said("one two three"), stream: true, stream_options: { include_usage: true },
  });
  let text = "";
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, "You said: one two three");
  assert.equal(usage.total_tokens, 8);
});

test("openai tools round trip", async () => {
  const first = await client.chat.completions.create({ model: "demo/echo", messages: said("Oslo"), tools });
  const message = first.choices[0].message;
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: "Oslo" });
  const history = [...said("Oslo"), message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "rain" }];
  const second = await client.chat.completions.create({ model: "demo/echo", messages: history, tools });
  assert.equal(second.choices[0].message.content, "The tool said: rain");
});

test("openai streamed tool call", async () => {
  const runner = client.chat.completions.stream({ model: "demo/echo", messages: said("Oslo by night"), tools });
  const completion = await runner.finalChatCompletion();
  assert.deepEqual(JSON.parse(completion.choices[0].message.tool_calls[0].function.arguments), { city: "Oslo by night" });
});

test("openai images", async () => {
  const content = [
    { type: "text", text: "What is it?" },
    { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } },
  ];
  await client.chat.completions.create({ model: "scripted-anthropic", messages: said(content) });
  const { body } = await asked();
  assert.deepEqual(body.messages[0].content[1].source, { type: "base64", media_type: "image/png", data: pixel });
});

test("openai structured output", async () => {
  const place = z.object({ city: z.string(), sunny: z.boolean() });
  const completion = await client.chat.completions.parse({
    model: "demo/echo", messages: said("Oslo"), response_format: zodResponseFormat(place, "place"),
  });
  assert.deepEqual(completion.choices[0].message.parsed, { city: "Oslo", sunny: true });
});

test("openai embeddings", async () => {
  const packed = await client.embeddings.create({ model: "demo/echo", input: ["a", "b"] });
  assert.equal(packed.data.length, 2);
  assert.equal(packed.data[1].embedding.length, 8);
});

test("openai responses", async () => {
  const response = await client.responses.create({ model: "demo/echo", input: "hello there" });
  assert.equal(response.output_text, "You said: hello there");
});

test("openai responses stream", async () => {
  const stream = client.responses.stream({ model: "demo/echo", input: "one two" });
  const kinds = [];
  for await (const event of stream) kinds.push(event.type);
  assert.equal(kinds[0], "response.created");
  assert.equal(kinds.at(-1), "response.completed");
  assert.equal((await stream.finalResponse()).output_text, "You said: one two");
});

test("openai errors", async () => {
  const stranger = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "sk-wrong", maxRetries: 0 });
  const ask = (who, model, messages = said("hi")) => who.chat.completions.create({ model, messages });
  await assert.rejects(ask(stranger, "demo/echo"), OpenAI.AuthenticationError);
  await assert.rejects(ask(client, "no-such-model"), OpenAI.BadRequestError);
  await assert.rejects(ask(client, "demo/echo", []), OpenAI.BadRequestError);
  for (const provider of ["openai", "anthropic", "gemini"]) {
    await assert.rejects(ask(client, `${provider}-400`), OpenAI.BadRequestError);
    await assert.rejects(ask(client, `${provider}-429`), OpenAI.RateLimitError);
    await assert.rejects(ask(client, `${provider}-500`), OpenAI.InternalServerError);
    await assert.rejects(ask(client, `${provider}-529`), OpenAI.InternalServerError);
  }
});

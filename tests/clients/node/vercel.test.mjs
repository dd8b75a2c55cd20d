// Vercel's AI SDK with its OpenAI and Anthropic providers: text, streams, tools, objects, images, embeddings, errors.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embed, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { asked, gateway, key, pixel, weather } from "./stage.mjs";

const openai = createOpenAI({ baseURL: `${gateway}/v1`, apiKey: key });
const anthropic = createAnthropic({ baseURL: `${gateway}/v1`, apiKey: key });
const models = {
  "openai chat": (name) => openai.chat(name),
  "openai responses": (name) => openai.responses(name),
  anthropic: (name) => anthropic(name),
};
const weatherTool = (execute) => tool({ description: "Tells the weather", inputSchema: jsonSchema(weather), execute });

for (const [name, model] of Object.entries(models)) {
  test(`vercel ${name} text`, async () => {
    const result = await generateText({ model: model("demo/echo"), prompt: "hello there", maxRetries: 0 });
    assert.equal(result.text, "You said: hello there");
    assert.equal(result.finishReason, "stop");
    assert.equal(result.usage.totalTokens, 6);
  });

  test(`vercel ${name} stream`, async () => {
    const result = streamText({ model: model("demo/echo"), prompt: "one two three", maxRetries: 0 });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, "You said: one two three");
    assert.equal((await result.usage).outputTokens, 5);
  });

  test(`vercel ${name} tools round trip`, async () => {
    const heard = [];
    const tools = { weather: weatherTool(async (input) => (heard.push(input), "rain")) };
    const result = await generateText({ model: model("demo/echo"), prompt: "Oslo", tools, stopWhen: stepCountIs(2), maxRetries: 0 });
    assert.deepEqual(heard, [{ city: "Oslo" }]);
    assert.equal(result.text, "The tool said: rain");
  });

  test(`vercel ${name} object`, async () => {
    const schema = z.object({ city: z.string(), sunny: z.boolean() });
    const result = await generateText({ model: model("demo/echo"), prompt: "Oslo", output: Output.object({ schema }), maxRetries: 0 });
    assert.deepEqual(result.output, { city: "Oslo", sunny: true });
  });

  test(`vercel ${name} image`, async () => {
    const content = [{ type: "text", text: "What?" }, { type: "image", image: Buffer.from(pixel, "base64"), mediaType: "image/png" }];
    await generateText({ model: model("scripted-gemini"), messages: [{ role: "user", content }], maxRetries: 0 });
    const { body } = await asked();
    assert.deepEqual(body.contents[0].parts[1].inlineData, { mimeType: "image/png", data: pixel });
  });

  test(`vercel ${name} errors`, async () => {
    const failing = (wanted) => (error) => APICallError.isInstance(error) && error.statusCode === wanted;
    const ask = (of) => generateText({ model: model(of), prompt: "hi", maxRetries: 0 });
    // OpenAI's form says it as LiteLLM does.
    await assert.rejects(ask("no-such-model"), (error) => failing(400)(error) || failing(404)(error));
    await assert.rejects(ask("gemini-400"), failing(400));
    await assert.rejects(ask("gemini-429"), failing(429));
  });
}

test("vercel embeddings", async () => {
  const { embedding } = await embed({ model: openai.embedding("demo/echo"), value: "hello", maxRetries: 0 });
  assert.equal(embedding.length, 8);
});

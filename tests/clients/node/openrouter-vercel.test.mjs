// OpenRouter's provider for Vercel's AI SDK: text, streams, tools, objects, thoughts, embeddings, errors, and what it tells of costs.

import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { APICallError, embed, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { asked, gateway, key, pixel, weather } from "./stage.mjs";

const openrouter = createOpenRouter({ baseURL: `${gateway}/api/v1`, apiKey: key });
const weatherTool = (execute) => tool({ description: "Tells the weather", inputSchema: jsonSchema(weather), execute });

test("text, its usage and its cost", async () => {
  const result = await generateText({ model: openrouter("market/pair", { usage: { include: true } }), prompt: "hi", maxRetries: 0 });
  assert.equal(result.text, "It is fine.");
  assert.equal(result.usage.totalTokens, 15);
  const told = result.providerMetadata.openrouter;
  assert.ok(told.usage.cost > 0);
  assert.ok(["OpenAI", "DeepInfra"].includes(told.provider));
});

for (const model of ["demo/echo", "market/pair", "streamed-openai"]) {
  test(`a stream of ${model}`, async () => {
    const result = streamText({ model: openrouter(model), prompt: "one two", maxRetries: 0 });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.match(text, /^(You said: one two|It is fine\.)$/);
    assert.equal(await result.finishReason, "stop");
    assert.ok((await result.usage).outputTokens > 0);
  });
}

test("tools there and back, whole and streamed", async () => {
  for (const ask of [generateText, streamText]) {
    const heard = [];
    const tools = { weather: weatherTool(async (input) => (heard.push(input), "rain")) };
    const result = await ask({ model: openrouter("demo/echo"), prompt: "Oslo", tools, stopWhen: stepCountIs(2), maxRetries: 0 });
    assert.equal(await result.text, "The tool said: rain");
    assert.deepEqual(heard, [{ city: "Oslo" }]);
  }
});

test("an object", async () => {
  const schema = z.object({ city: z.string(), sunny: z.boolean() });
  const result = await generateText({ model: openrouter("demo/echo"), prompt: "Oslo", output: Output.object({ schema }), maxRetries: 0 });
  assert.deepEqual(result.output, { city: "Oslo", sunny: true });
});

for (const model of ["scripted-anthropic", "streamed-anthropic"]) {
  test(`thoughts of ${model} come and go back`, async () => {
    const tools = { weather: weatherTool(async () => "rain") };
    const result = streamText({ model: openrouter(model), prompt: "Oslo?", tools, stopWhen: stepCountIs(2), maxRetries: 0 });
    await result.consumeStream();
    const [first] = await result.steps;
    assert.equal(first.reasoningText, "The tool will know.");
    const { body } = await asked();
    const thought = body.messages.flatMap((message) => message.content).find((block) => block.type === "thinking");
    assert.equal(thought.thinking, "The tool will know.");
    assert.equal(thought.signature, "c2VhbGVkLWJ5LXRoZS1tb2RlbA==");
  });
}

test("pictures in a prompt", async () => {
  const content = [{ type: "text", text: "What?" }, { type: "image", image: Buffer.from(pixel, "base64"), mediaType: "image/png" }];
  await generateText({ model: openrouter("scripted-gemini"), messages: [{ role: "user", content }], maxRetries: 0 });
  assert.deepEqual((await asked()).body.contents[0].parts[1].inlineData, { mimeType: "image/png", data: pixel });
});

test("embeddings", async () => {
  const { embedding } = await embed({ model: openrouter.textEmbeddingModel("market/embed"), value: "hello", maxRetries: 0 });
  assert.deepEqual(embedding, [0.25, -0.5]);
});

test("errors have their status", async () => {
  const failing = (model, status, settings) =>
    assert.rejects(
      generateText({ model: openrouter(model, settings), prompt: "hi", maxRetries: 0 }),
      (error) => APICallError.isInstance(error) && error.statusCode === status,
    );
  await failing("anthropic-429", 429);
  await failing("openai-400", 400);
  await failing("gemini-503", 503);
  await failing("market/pair", 404, { provider: { only: ["groq"] } });
  const stranger = createOpenRouter({ baseURL: `${gateway}/api/v1`, apiKey: "sk-wrong" });
  await assert.rejects(generateText({ model: stranger("demo/echo"), prompt: "hi", maxRetries: 0 }), (error) => error.statusCode === 401);
});

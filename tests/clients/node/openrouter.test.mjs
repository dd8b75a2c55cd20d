// OpenRouter's SDK against the gateway's OpenRouter face, `/api/v1`.

import { OpenRouter } from "@openrouter/sdk";
import * as errors from "@openrouter/sdk/models/errors";
import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { gateway, key, pixel, weather } from "./stage.mjs";

const router = new OpenRouter({ apiKey: key, serverURL: `${gateway}/api/v1` });
const said = (content) => [{ role: "user", content }];
const send = (request, who = router) => who.chat.send({ chatRequest: request }, { retries: { strategy: "none" } });

test("openrouter chat", async () => {
  const answer = await send({ model: "demo/echo", messages: said("hello there") });
  assert.equal(answer.choices[0].message.content, "You said: hello there");
});

test("openrouter stream", async () => {
  const stream = await send({ model: "demo/echo", messages: said("one two three"), stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  assert.equal(text, "You said: one two three");
});

test("openrouter errors", async () => {
  const stranger = new OpenRouter({ apiKey: "sk-wrong", serverURL: `${gateway}/api/v1` });
  await assert.rejects(send({ model: "demo/echo", messages: said("hi") }, stranger), errors.UnauthorizedResponseError);
  await assert.rejects(send({ model: "no-such-model", messages: said("hi") }), (error) => [400, 404].includes(error.statusCode));
  await assert.rejects(send({ model: "anthropic-429", messages: said("hi") }), errors.TooManyRequestsResponseError);
});

const tools = [{ type: "function", function: { name: "weather", parameters: weather } }];

for (const model of ["demo/echo", "streamed-anthropic", "streamed-responses", "streamed-gemini"]) {
  test(`openrouter tools streamed by ${model}`, async () => {
    const stream = await send({ model, messages: said("Oslo"), tools, stream: true });
    let args = "";
    const names = [];
    let reason;
    for await (const chunk of stream) {
      for (const call of chunk.choices[0]?.delta?.toolCalls ?? []) {
        if (call.function?.name) names.push(call.function.name);
        args += call.function?.arguments ?? "";
      }
      reason = chunk.choices[0]?.finishReason ?? reason;
    }
    assert.deepEqual([names, JSON.parse(args), reason], [["weather"], { city: "Oslo" }, "tool_calls"]);
  });
}

for (const model of ["demo/echo", "scripted-anthropic", "streamed-responses", "streamed-anthropic"]) {
  test(`openrouter responses of ${model}`, async () => {
    const whole = await router.responses.send({ responsesRequest: { model, input: "Oslo?" } });
    assert.equal(whole.status, "completed");
    assert.ok(whole.output.length > 0 && whole.usage.totalTokens > 0);
    const types = [];
    for await (const event of await router.responses.send({ responsesRequest: { model, input: "Oslo?", stream: true } })) types.push(event.type);
    assert.equal(types[0], "response.created");
    assert.equal(types.at(-1), "response.completed");
  });
}

test("openrouter callModel runs tools until there is an answer", async () => {
  const heard = [];
  const look = {
    type: "function",
    function: {
      name: "weather",
      description: "Tells the weather",
      inputSchema: z.object({ city: z.string() }),
      execute: async (input) => (heard.push(input.city), { said: "rain" }),
    },
  };
  const text = await router.callModel({ model: "demo/echo", input: "Oslo", tools: [look] }).getText();
  assert.deepEqual(heard, ["Oslo"]);
  assert.match(text, /rain/);
});

test("openrouter embeddings, reranking, sound and pictures", async () => {
  const made = await router.embeddings.generate({ requestBody: { model: "market/embed", input: ["a", "b"] } });
  assert.equal(made.data[0].embedding.length, 2);
  const ranked = await router.rerank.rerank({ requestBody: { model: "market/rank", query: "q", documents: ["a", "b"] } });
  assert.deepEqual(ranked.results.map((one) => one.document.text), ["b", "a"]);
  const heard = await router.stt.createTranscription({ sttRequest: { model: "market/hear", inputAudio: { data: "UklGRg==", format: "wav" } } });
  assert.equal(heard.text, "It is fine.");
  const painted = await router.images.generate({ imageGenerationRequest: { model: "market/paint", prompt: "a cat" } });
  assert.equal(painted.data[0].b64Json, pixel);
});

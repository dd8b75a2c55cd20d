// OpenRouter's and Google's SDKs.

import { GoogleGenAI } from "@google/genai";
import { OpenRouter } from "@openrouter/sdk";
import * as errors from "@openrouter/sdk/models/errors";
import assert from "node:assert/strict";
import test from "node:test";
import { gateway, key, weather } from "./stage.mjs";

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

const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gateway } });

test("google content", async () => {
  const answer = await google.models.generateContent({ model: "demo/echo", contents: "hello there" });
  assert.equal(answer.text, "You said: hello there");
  assert.equal(answer.usageMetadata.totalTokenCount, 6);
});

test("google stream", async () => {
  let text = "";
  for await (const chunk of await google.models.generateContentStream({ model: "demo/echo", contents: "one two three" })) text += chunk.text ?? "";
  assert.equal(text, "You said: one two three");
});

test("google tools", async () => {
  const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: weather }] }];
  const answer = await google.models.generateContent({ model: "demo/echo", contents: "Oslo", config: { tools } });
  assert.deepEqual(answer.functionCalls[0].args, { city: "Oslo" });
});

test("google errors", async () => {
  await assert.rejects(google.models.generateContent({ model: "no-such-model", contents: "hi" }), (error) => error.status === 404);
  await assert.rejects(google.models.generateContent({ model: "openai-400", contents: "hi" }), (error) => error.status === 400);
});

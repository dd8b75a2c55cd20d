// OpenRouter's SDK against the gateway's OpenRouter face, `/api/v1`.

import { OpenRouter } from "@openrouter/sdk";
import * as errors from "@openrouter/sdk/models/errors";
import assert from "node:assert/strict";
import test from "node:test";
import { gateway, key } from "./stage.mjs";

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

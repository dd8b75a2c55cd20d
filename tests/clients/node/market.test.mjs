// The catalogue and provider preferences, as OpenRouter's own SDK and its provider for the Vercel AI SDK use them.

import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { OpenRouter } from "@openrouter/sdk";
import * as errors from "@openrouter/sdk/models/errors";
import { generateText } from "ai";
import assert from "node:assert/strict";
import test from "node:test";
import { asked, gateway, key } from "./stage.mjs";

const url = `${gateway}/api/v1`;
const router = new OpenRouter({ apiKey: key, serverURL: url });
const vercel = createOpenRouter({ apiKey: key, baseURL: url });
const [author, slug] = ["market", "pair"];
const pair = `${author}/${slug}`;

/** Where a request with those preferences went: the first segment of the path at the scripted upstream. */
async function sent(preferences, more = {}) {
  const chatRequest = { model: pair, messages: [{ role: "user", content: "hi" }], provider: preferences, ...more };
  await router.chat.send({ chatRequest }, { retries: { strategy: "none" } });
  return (await asked()).path.split("/")[1];
}

test("models are listed, filtered and sorted", async () => {
  const all = (await router.models.list({ outputModalities: "all", limit: 1000 })).result;
  const ids = all.data.map((model) => model.id);
  assert.ok(ids.includes(pair) && ids.includes("market/embed"));
  assert.equal(all.totalCount, ids.length);
  const chosen = (await router.models.list({ q: "market", sort: "pricing-low-to-high" })).result.data;
  assert.deepEqual(chosen.map((model) => model.id), [pair]);
  assert.equal(chosen[0].pricing.prompt, "0.00000003");
  assert.equal((await router.models.count({ outputModalities: "embeddings" })).data.count, 1);
  const mine = (await router.models.listForUser({ bearer: key }, {})).result.data;
  assert.ok(mine.some((model) => model.id === pair));
});

test("endpoints tell who serves a model", async () => {
  const told = (await router.endpoints.list({ author, slug })).data;
  assert.equal(told.id, pair);
  assert.deepEqual(told.endpoints.map((endpoint) => endpoint.tag).sort(), ["deepinfra", "openai"]);
  assert.ok(told.endpoints.every((endpoint) => endpoint.status === 0));
  const kept = (await router.endpoints.listZdrEndpoints()).data.map((endpoint) => endpoint.tag);
  assert.ok(kept.includes("deepinfra") && !kept.includes("openai"));
  await assert.rejects(router.endpoints.list({ author: "no", slug: "such" }), errors.NotFoundResponseError);
});

test("providers are told with their policies", async () => {
  const providers = (await router.providers.list()).data;
  const openai = providers.find((provider) => provider.slug === "openai");
  assert.equal(openai.name, "OpenAI");
  assert.match(openai.privacyPolicyUrl, /^https:/);
});

test("preferences choose the provider", async () => {
  assert.equal(await sent({ only: ["openai"] }), "first");
  assert.equal(await sent({ only: ["deepinfra"] }), "second");
  assert.equal(await sent({ ignore: ["deepinfra"] }), "first");
  assert.equal(await sent({ order: ["openai", "deepinfra"] }), "first");
  assert.equal(await sent({ order: ["deepinfra", "openai"] }), "second");
  assert.equal(await sent({ sort: "price" }), "second");
  assert.equal(await sent({ maxPrice: { prompt: "0.1" } }), "second");
  assert.equal(await sent({ requireParameters: true }, { responseFormat: { type: "json_object" } }), "first");
  assert.equal(await sent({ zdr: true }), "second");
});

test("what nobody meets is refused in OpenRouter's way", async () => {
  const refused = (preferences) => assert.rejects(sent(preferences), errors.NotFoundResponseError);
  await refused({ maxPrice: { prompt: "0.000001" } });
  await refused({ only: ["groq"] });
  await refused({ quantizations: ["int4"] });
});

test("the provider for the Vercel AI SDK chooses too", async () => {
  const ask = async (settings) => {
    const answer = await generateText({ model: vercel(pair, settings), prompt: "hi", maxRetries: 0 });
    assert.equal(answer.text, "It is fine.");
    return (await asked()).path.split("/")[1];
  };
  assert.equal(await ask({ provider: { only: ["deepinfra"] } }), "second");
  assert.equal(await ask({ provider: { order: ["openai"], allow_fallbacks: false } }), "first");
  await assert.rejects(ask({ provider: { only: ["groq"] } }), (error) => error.statusCode === 404);
});

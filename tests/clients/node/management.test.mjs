// OpenRouter's SDK against the management side of `/api/v1`.

import { OpenRouter } from "@openrouter/sdk";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { gateway, key } from "./stage.mjs";

const at = (apiKey) => new OpenRouter({ apiKey, serverURL: `${gateway}/api/v1` });
const router = at(key);
const said = (content) => [{ role: "user", content }];

test("keys are made, used and deleted", async () => {
  const made = await router.apiKeys.create({ requestBody: { name: "Node", limit: 5 } });
  assert.equal(made.data.hash, createHash("sha256").update(made.key).digest("hex"));
  const answer = await at(made.key).chat.send({ chatRequest: { model: "demo/echo", messages: said("hi"), provider: { allowFallbacks: false } } });
  assert.equal(answer.choices[0].message.content, "You said: hi");
  const own = await at(made.key).apiKeys.getCurrentKeyMetadata();
  assert.equal(own.data.limit, 5);
  assert.equal((await router.apiKeys.delete({ hash: made.data.hash })).deleted, true);
});

test("credits, models and endpoints are told", async () => {
  assert.ok((await router.credits.getCredits()).data.totalUsage >= 0);
  assert.ok((await router.models.count()).data.count > 0);
  const endpoints = await router.endpoints.list({ author: "market", slug: "pair" });
  assert.equal(endpoints.data.endpoints.length, 2);
});

test("workspaces and guardrails are managed", async () => {
  const place = (await router.workspaces.create({ createWorkspaceRequest: { name: "Node", slug: "node-lab" } })).data;
  assert.equal((await router.workspaces.get({ id: place.id })).data.slug, "node-lab");
  assert.equal((await router.workspaces.delete({ id: place.id })).deleted, true);
  const rail = (await router.guardrails.create({ createGuardrailRequest: { name: "Node", limitUsd: 1, resetInterval: "daily" } })).data;
  assert.equal((await router.guardrails.get({ id: rail.id })).data.limitUsd, 1);
  assert.equal((await router.guardrails.delete({ id: rail.id })).deleted, true);
});

test("an ordinary key manages nothing", async () => {
  const made = await router.apiKeys.create({ requestBody: { name: "plain" } });
  await assert.rejects(at(made.key).workspaces.list(), (error) => error.statusCode === 403);
});

// Starts the stage these tests play on (tests/harness/stage.py) and stops it when they are done.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../harness/stage.py", import.meta.url));
const child = spawn("python3", [program], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((_, fail) => child.on("exit", (code) => fail(new Error(`the stage ended with ${code}`))));
const line = new Promise((tell) => createInterface({ input: child.stdout }).once("line", tell));
const { gateway, upstream, key } = JSON.parse(await Promise.race([line, ended]));
ended.catch(() => {});

after(() => child.stdin.end());

export { gateway, key };

/** What the scripted upstream was asked last. */
export async function asked() {
  return (await fetch(`${upstream}/asked`)).json();
}

export const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const weather = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

// Nothing is exported that nobody takes: from another module, from the lines in loopscope/ui/widgets/javascript.py that
// call `mount`, or, for what only tests take, from FOR_TESTS.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const FOLDER = new URL("../../assets/explorer/", import.meta.url);
const FOR_TESTS = ["density", "clicks", "withClicks"];
const sources = new Map(
  readdirSync(FOLDER)
    .filter((name) => name.endsWith(".js"))
    .map((name) => [name, readFileSync(new URL(name, FOLDER), "utf8")]),
);

test("every export is imported, and every module is", () => {
  const unused = [];
  for (const [name, source] of sources) {
    const importers = [...sources].filter(([other, text]) => other !== name && text.includes(`from "./${name}"`));
    for (const [, written] of source.matchAll(/^export (?:async )?(?:const|class|function) (\w+)/gm)) {
      const word = new RegExp(`\\b${written}\\b`);
      const taken = written === "mount" || FOR_TESTS.includes(written) || importers.some(([, text]) => word.test(text));
      if (!taken) unused.push(`${name}: ${written}`);
    }
  }
  assert.ok(sources.size > 30);
  assert.deepEqual(unused, []);
});

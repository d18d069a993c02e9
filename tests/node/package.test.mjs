// The package as a user gets it: packed, installed into an empty project, imported by name, compiled against.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { root, swiftShader } from "../../scripts/setup.mjs";

const project = mkdtempSync(path.join(tmpdir(), "plume-package-"));
test.after(() => rmSync(project, { recursive: true }));
const run = (command, args, environment) =>
  execFileSync(command, args, {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, ...environment },
    timeout: 120_000,
  });

/** The first example of a README. */
function example(readme) {
  const text = readFileSync(path.join(root, readme), "utf8");
  const start = text.indexOf('    import { Plume } from "plume-lm";');
  assert.ok(start > 0, `${readme} has an example`);
  const lines = text.slice(start).split("\n");
  const end = lines.findIndex((line) => line !== "" && !line.startsWith("    "));
  return lines.slice(0, end).join("\n");
}

const packed = run("npm", ["pack", "--silent", path.join(root, "build/plume-lm")]).trim();
writeFileSync(path.join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
run("npm", ["install", "--silent", "--offline", "--no-audit", "--no-fund", "--legacy-peer-deps", `./${packed}`]);

test("the tarball has what its manifest promises and nothing of the workspace", () => {
  const files = run("tar", ["tzf", packed])
    .trim()
    .split("\n")
    .map((file) => file.replace("package/", ""));
  const scripts = ["index", "local", "worker", "node", "helper-node", "inline-worker"].map((name) => `dist/${name}.js`);
  const cores = ["gpu", "cpu", "cpu-relaxed", "cpu-threads", "cpu-relaxed-threads", "grammar"];
  const inline = ["gpu-1", "gpu-2", "cpu-1", "cpu-2", "grammar-1", "grammar-2"].map(
    (name) => `dist/wasm/inline-${name}.js`,
  );
  const wanted = [
    ...["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "local.d.ts", "local.js", "package.json"],
    ...[
      "docs/performance.md",
      "docs/migrating.md",
      "models/plm-tiny.gguf",
      ...scripts,
      ...inline,
      ...cores.map((core) => `dist/wasm/plume-${core}.wasm`),
    ],
  ];
  assert.deepEqual(files.filter((file) => !/^dist\/.*\.d\.ts$/.test(file)).sort(), wanted.sort());
});

for (const readme of ["README.md", "pkg-templates/README.md"])
  test(`the example of ${readme} runs on the CPU, where webgpu is not installed, and ends by itself`, () => {
    writeFileSync(path.join(project, "example.mjs"), example(readme));
    assert.match(run("node", ["example.mjs"]), /Pip/);
  });

test("the example runs on WebGPU beside the package webgpu", () => {
  // The adapter is a software one, which has to be asked for.
  const program = example("README.md")
    .replace("Plume.load()", 'Plume.load(undefined, { device: "gpu" })')
    .replace("lm.dispose()", "console.log((await lm.stats()).backend); lm.dispose()");
  writeFileSync(path.join(project, "gpu.mjs"), program);
  // The package that the workspace has; a second copy of its 60 MB would prove nothing more.
  execFileSync("ln", ["-sfn", path.join(root, "node_modules/webgpu"), path.join(project, "node_modules/webgpu")]);
  const output = run("node", ["gpu.mjs"], { VK_ICD_FILENAMES: swiftShader });
  assert.match(output, /Pip/);
  assert.match(output, /gpu\s*$/);
});

test("the types compile under strict, for a bundler and for Node", () => {
  writeFileSync(path.join(project, "example.ts"), example("README.md"));
  for (const [module, moduleResolution] of [
    ["nodenext", "nodenext"],
    ["es2022", "bundler"],
  ])
    run("node", [
      path.join(root, "node_modules/typescript/bin/tsc"),
      ...[
        "--noEmit",
        "--strict",
        "--exactOptionalPropertyTypes",
        "--target",
        "es2022",
        "--lib",
        "es2023,dom,esnext.disposable",
      ],
      ...["--types", "", "--module", module, "--moduleResolution", moduleResolution, "example.ts"],
    ]);
});

test("the package asks for nothing at run time", () => {
  const manifest = JSON.parse(readFileSync(path.join(project, "node_modules/plume-lm/package.json"), "utf8"));
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(
    readdirSync(path.join(project, "node_modules"))
      .filter((name) => !name.startsWith("."))
      .sort(),
    ["plume-lm", "webgpu"],
  );
});

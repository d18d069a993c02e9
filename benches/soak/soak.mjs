// 10,000 requests of mixed sizes, some of them aborted, against one model in Node: time, memory, and whether replies are still right.
import { build } from "../../scripts/build.mjs";
import { certain, EMBEDDED } from "../../tests/support.mjs";
import { soak } from "../../tests/soak.mjs";

export const options = { requests: { type: "string" }, device: { type: "string" }, seed: { type: "string" } };

const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);

export async function run({ requests = "10000", device = "cpu", seed = "1" }) {
  await build();
  const { Plume } = await import("../../build/plume-lm/dist/node.js");
  const lm = await Plume.load(undefined, { device });
  const rows = [];
  const started = performance.now();
  const measure = async (count) => {
    globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    const { memory_bytes } = await lm.stats();
    rows.push({
      requests: count,
      seconds: (performance.now() - started) / 1000,
      core: memory_bytes,
      heap: heapUsed,
      rss,
    });
    const row = rows.at(-1);
    console.log(
      `${String(count).padStart(8)} requests ${row.seconds.toFixed(0).padStart(6)} s  core ${mib(memory_bytes)} MiB  heap ${mib(heapUsed)} MiB  process ${mib(rss)} MiB`,
    );
  };
  const step = Math.max(1, Math.floor(Number(requests) / 10));
  const onProgress = async (count) => count % step === 0 && (await measure(count));
  const done = await soak(lm, certain(EMBEDDED), Number(requests), { seed: Number(seed), onProgress });
  lm.dispose();
  console.log(
    Object.entries(done)
      .map(([name, count]) => `${count} ${name}`)
      .join(", "),
  );
  return { rows, done };
}

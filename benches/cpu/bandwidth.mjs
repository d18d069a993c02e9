// How fast the threads of a page read memory that no cache holds.

/** In each worker: reads 128 MiB some times, and tells how many bytes a second it got while all were at it. */
const program = `
  const values = new Float64Array(1 << 24).fill(1);
  const read = () => {
    let [a, b, c, d, e, f, g, h] = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < values.length; i += 8) {
      a += values[i]; b += values[i + 1]; c += values[i + 2]; d += values[i + 3];
      e += values[i + 4]; f += values[i + 5]; g += values[i + 6]; h += values[i + 7];
    }
    return a + b + c + d + e + f + g + h;
  };
  for (let i = 0; i < 3; i++) read();
  postMessage("ready");
  onmessage = () => {
    let fastest = Infinity;
    for (let i = 0; i < 12; i++) {
      const started = performance.now();
      read();
      fastest = Math.min(fastest, performance.now() - started);
    }
    postMessage(values.byteLength / (fastest / 1000));
  };
`;

/** Bytes a second, of all threads together. */
export async function bandwidth(threads) {
  const url = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  const workers = Array.from({ length: threads }, () => new Worker(url));
  const answer = (worker) => new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  await Promise.all(workers.map(answer));
  const answers = workers.map(answer);
  workers.forEach((worker) => worker.postMessage(""));
  const found = await Promise.all(answers);
  workers.forEach((worker) => worker.terminate());
  return found.reduce((sum, each) => sum + each);
}

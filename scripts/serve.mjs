// A static server for the demo, the tests and the benches: byte ranges, entity tags, and nothing outside its folders.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { pipeline } from "node:stream/promises";

const types = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

/** The file that a request's path names, or undefined. `folders` maps URL prefixes, the longest first, to folders. */
async function find(folders, url) {
  let pathname;
  try {
    pathname = decodeURIComponent(new URL(url, "http://localhost").pathname);
  } catch {
    return undefined;
  }
  const prefix = Object.keys(folders).find((prefix) => pathname.startsWith(prefix));
  if (!prefix || pathname.includes("\0")) return undefined;
  const folder = path.resolve(folders[prefix]);
  let file = path.join(folder, pathname.slice(prefix.length));
  if (pathname.endsWith("/")) file = path.join(file, "index.html");
  if (file !== folder && !file.startsWith(folder + path.sep)) return undefined;
  const status = await stat(file).catch(() => undefined);
  return status?.isFile()
    ? { file, size: status.size, etag: `"${status.size.toString(36)}-${status.mtimeMs.toString(36)}"` }
    : undefined;
}

async function answer(folders, added, request, response) {
  const found = ["GET", "HEAD"].includes(request.method) && (await find(folders, request.url));
  if (!found) return response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
  const { file, size, etag } = found;
  const headers = {
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-type": types[path.extname(file)] ?? "application/octet-stream",
    etag,
    ...added,
  };
  if (request.headers["if-none-match"] === etag) return response.writeHead(304, headers).end();
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  const end = Math.min(range?.[2] ? Number(range[2]) : Infinity, size - 1);
  if (range && (start >= size || start > end))
    return response.writeHead(416, { "content-range": `bytes */${size}` }).end();
  headers["content-length"] = Math.max(end - start + 1, 0);
  if (range) headers["content-range"] = `bytes ${start}-${end}/${size}`;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === "HEAD" || size === 0) return response.end();
  // A reader that goes away in the middle is not an error of ours, but the file must be closed.
  return pipeline(createReadStream(file, { start, end }), response).catch(() => response.destroy());
}

/** What lets a page's workers share memory, and so Plume have threads. */
const isolation = {
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Serves `folders` on `port` of `host`, with `headers` too; port 0 takes a free one. Gives { origin, close }. */
export function serve(folders, { port = 0, host = "127.0.0.1", isolated = false, headers = {} } = {}) {
  const added = { ...headers, ...(isolated && isolation) };
  const server = createServer((request, response) => {
    answer(folders, added, request, response).catch(() => response.destroy());
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(port, host, () => {
      const close = () => new Promise((closed) => (server.closeAllConnections(), server.close(closed)));
      resolve({ origin: `http://${host === "127.0.0.1" ? "localhost" : host}:${server.address().port}`, close });
    });
  });
}

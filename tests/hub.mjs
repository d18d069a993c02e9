// A server that behaves like a model hub: it lists repositories, and serves files under names that redirect to a signed URL of
// another origin, which answers ranges; and that fails as servers and links do, by a list of faults.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

/** Faults by the number of the request, from 0. */
export const at = (faults) => {
  let request = 0;
  return () => faults[request++];
};

/** Bytes that a hub's log says were sent. */
export const bytesSent = (log) => log.reduce((sum, { sent }) => sum + sent, 0);

/** The commit that every revision of a hub's models stands for. */
export const commit = "c0ffee00";
const cors = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "authorization, range",
  "access-control-expose-headers": "content-range, content-length, etag, retry-after",
};

/**
 * Serves `files`, bytes by name. `fault(request)` may give, for each request for a signed URL, one of
 * { status, retryAfter }: an error instead of an answer; { reset: n }: the connection breaks after n bytes;
 * { stall: n }: nothing comes after n bytes; { short: n }: the answer ends after n bytes; { version, body }: another version of the file;
 * { wrong: n }: byte n of the answer is another; { rate }: bytes a second; { size }: what the
 * file's size is said to be.
 *
 * `models` has the names of the files of each repository; `token` is what the repositories ask for. Where `ranges` is false,
 * whole files are sent, and where `length` is false, nothing tells their length. All answers share
 * a `link` of so many bytes a second. A signed URL serves one request. `log` has each
 * range that was asked for, with the bytes sent; `tokens` has what each origin was shown.
 */
export async function hub(
  files,
  fault = () => undefined,
  { models = {}, token, ranges = true, length = true, link } = {},
) {
  const shared = link && limit(link);
  const signed = new Map();
  const log = [];
  const tokens = { hub: [], storage: [] };
  const storage = await listen((request, response) => {
    tokens.storage.push(request.headers.authorization);
    const url = new URL(request.url, "http://storage");
    const name = signed.get(url.searchParams.get("signature"));
    if (!signed.delete(url.searchParams.get("signature"))) return response.writeHead(403).end("expired");
    const {
      status,
      retryAfter,
      reset,
      stall,
      short,
      wrong,
      rate,
      version = "1",
      body = files[name],
      size = body.length,
    } = fault(request) ?? {};
    if (status) return response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter }).end();
    const range = ranges && request.headers.range;
    const [first, last] = range ? range.slice("bytes=".length).split("-").map(Number) : [0, body.length - 1];
    let part = body.subarray(first, last + 1);
    if (wrong < part.length) (part = Buffer.from(part))[wrong] ^= 1;
    const sent = part.subarray(0, reset ?? stall ?? short ?? part.length);
    const entry = { name, first, last, sent: sent.length };
    log.push(entry);
    response.writeHead(range ? 206 : 200, {
      ...(range && { "content-range": `bytes ${first}-${Math.min(last, body.length - 1)}/${size}` }),
      etag: `"${version}"`,
      ...(short === undefined && length && { "content-length": part.length }),
    });
    response.flushHeaders();
    const pace = shared ?? (rate && limit(rate));
    if (reset !== undefined) response.write(sent, () => response.destroy());
    else if (stall < part.length) response.write(sent);
    else if (pace || !Buffer.isBuffer(sent)) inSteps(response, sent, pace, entry);
    else response.end(sent);
  });
  const front = await listen((request, response) => {
    const { authorization } = request.headers;
    tokens.hub.push(authorization);
    const path = decodeURIComponent(new URL(request.url, "http://hub").pathname.slice(1));
    const [, repository, , revision] = /^api\/models\/([^/]+\/[^/]+)(\/revision\/(.+))?$/.exec(path) ?? [];
    const [, owner, name] = /^([^/]+\/[^/]+)\/resolve\/c0ffee00\/(.+)$/.exec(path) ?? [undefined, undefined, path];
    if ((repository || owner) && token && authorization !== `Bearer ${token}`)
      return response.writeHead(authorization ? 403 : 401).end("gated");
    if (repository && models[repository] && revision !== "none") {
      const siblings = models[repository].map((rfilename) => {
        const { length: size } = files[rfilename];
        const sha256 = createHash("sha256").update(files[rfilename]).digest("hex");
        return { rfilename, size, blobId: "0", ...(size > 1e5 && { lfs: { sha256, size, pointerSize: 134 } }) };
      });
      response.writeHead(200, { "content-type": "application/json" });
      return response.end(JSON.stringify({ id: repository, sha: commit, siblings }));
    }
    if (repository || !files[name] || (owner && !models[owner]?.includes(name)))
      return response.writeHead(404).end("no such file");
    const signature = crypto.randomUUID();
    signed.set(signature, name);
    response.writeHead(302, { location: `${storage.origin}/stored?signature=${signature}` }).end();
  });
  return { origin: front.origin, log, tokens, close: () => (front.close(), storage.close()) };
}

/** Waits as long as so many bytes take on a link of this rate, in bytes a second, which all that wait share. */
function limit(rate) {
  let free = 0;
  return async (bytes) => {
    const now = performance.now();
    free = Math.max(free, now) + (bytes / rate) * 1000;
    await new Promise((resolve) => setTimeout(resolve, free - now));
  };
}

/** Sends bytes, over a link where there is one, and notes how many went. */
async function inSteps(response, bytes, link, entry) {
  const step = 1 << 17;
  entry.sent = 0;
  for (let at = 0; at < bytes.length && !response.destroyed; at += step) {
    const part = bytes.subarray(at, at + step);
    await link?.(part.length);
    if (!response.write(part) && !response.destroyed) {
      const settled = new AbortController();
      const either = ["drain", "close"].map((event) => once(response, event, settled).catch(() => {}));
      await Promise.race(either).finally(() => settled.abort());
    }
    entry.sent += part.length;
  }
  response.end();
}

/** A server on a port of its own, for pages of every origin. */
async function listen(answer) {
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    if (request.method === "OPTIONS") return response.writeHead(204).end();
    return answer(request, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => (server.closeAllConnections(), server.close());
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}

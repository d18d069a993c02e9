// A server that behaves like a model hub: files are found under a name that redirects to a signed URL of another origin, which
// answers ranges; and that fails as servers and links do, by a list of faults.
import { createServer } from "node:http";

/**
 * Serves `files`, bytes by name. `fault(request)` may give, for each request for a signed URL, one of
 * { status, retryAfter }: an error instead of an answer; { reset: n }: the connection breaks after n bytes;
 * { stall: n }: nothing comes after n bytes; { short: n }: the answer ends after n bytes; { version }: another version of the file.
 * A signed URL serves one request. `log` has each range that was asked for, with the bytes sent.
 */
export async function hub(files, fault = () => undefined) {
  const signed = new Map();
  const log = [];
  const storage = await listen((request, response) => {
    const url = new URL(request.url, "http://storage");
    const name = signed.get(url.searchParams.get("signature"));
    if (!signed.delete(url.searchParams.get("signature"))) return response.writeHead(403).end("expired");
    const body = files[name];
    const { status, retryAfter, reset, stall, short, version = "1" } = fault(request) ?? {};
    if (status) return response.writeHead(status, retryAfter === undefined ? {} : { "retry-after": retryAfter }).end();
    const [first, last] = request.headers.range.slice("bytes=".length).split("-").map(Number);
    const part = body.subarray(first, last + 1);
    const sent = part.subarray(0, reset ?? stall ?? short ?? part.length);
    log.push({ name, first, last, sent: sent.length });
    response.writeHead(206, {
      "content-range": `bytes ${first}-${Math.min(last, body.length - 1)}/${body.length}`,
      etag: `"${version}"`,
      ...(short === undefined && { "content-length": part.length }),
    });
    response.flushHeaders();
    if (reset !== undefined) response.write(sent, () => response.destroy());
    else if (stall !== undefined) response.write(sent);
    else response.end(sent);
  });
  const front = await listen((request, response) => {
    const name = new URL(request.url, "http://hub").pathname.slice(1);
    if (!files[name]) return response.writeHead(404).end("no such file");
    const signature = crypto.randomUUID();
    signed.set(signature, name);
    response.writeHead(302, { location: `${storage.origin}/stored?signature=${signature}` }).end();
  });
  return { origin: front.origin, log, close: () => (front.close(), storage.close()) };
}

/** A server on a port of its own. */
async function listen(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => (server.closeAllConnections(), server.close());
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}

// The Cache API, for browsers and threads that have no origin private file system: a response a block.
import { lock, type Checksums, type Head, type Medium, type Shelf } from "./store.js";

const ROOT = "https://plume-lm.invalid/";

/** The medium, where this browser has it. */
export async function cacheApi(): Promise<Medium | undefined> {
  try {
    return new CacheMedium(await caches.open("plume-lm"));
  } catch {
    return undefined; // There is none, or a private window refuses it.
  }
}

class CacheMedium implements Medium {
  constructor(private readonly cache: Cache) {}

  async open(name: string, signal?: AbortSignal): Promise<Shelf> {
    return new CacheShelf(this.cache, `${ROOT}${name}/`, await lock(name, signal));
  }

  async peek(name: string): Promise<Pick<Shelf, "readHead" | "readChecksums"> | undefined> {
    return new CacheShelf(this.cache, `${ROOT}${name}/`, () => {});
  }

  async names(): Promise<string[]> {
    return [...new Set((await this.cache.keys()).map(({ url }) => url.slice(ROOT.length).split("/")[0]!))];
  }

  async room(): Promise<{ quota: number; free: number } | undefined> {
    const { quota, usage } = (await navigator.storage?.estimate()) ?? {};
    return quota === undefined ? undefined : { quota, free: Math.max(0, quota - (usage ?? 0)) };
  }
}

class CacheShelf implements Shelf {
  constructor(
    private readonly cache: Cache,
    private readonly root: string,
    private readonly release: () => void,
  ) {}

  async readHead(): Promise<Head | undefined> {
    return (await (await this.cache.match(`${this.root}head`))?.json()) as Head | undefined;
  }

  writeHead(head: Head): Promise<void> {
    return this.cache.put(`${this.root}head`, Response.json(head));
  }

  async readChecksums(count: number): Promise<Checksums> {
    const checksums = new BigUint64Array(count);
    for (let block = 0; block < count; block++)
      checksums[block] = BigInt((await this.cache.match(this.root + block))?.headers.get("checksum") ?? 0);
    return checksums;
  }

  async writeBlock(block: number, bytes: Uint8Array<ArrayBuffer>, checksum: bigint): Promise<void> {
    const url = this.root + block;
    if (checksum === 0n) await this.cache.delete(url);
    else await this.cache.put(url, new Response(bytes, { headers: { checksum: String(checksum) } }));
  }

  async readBlock(block: number, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.cache.match(this.root + block);
    return new Uint8Array((await response?.arrayBuffer()) ?? new ArrayBuffer()).subarray(0, into.length);
  }

  async blob(size: number): Promise<Blob> {
    const parts = [];
    for (let block = 0, length = 0; length < size; block++) {
      const part = await (await this.cache.match(this.root + block))!.blob();
      parts.push(part);
      length += part.size;
    }
    return new Blob(parts);
  }

  async clear(): Promise<void> {
    const keys = (await this.cache.keys()).filter(({ url }) => url.startsWith(this.root));
    await Promise.all(keys.map((key) => this.cache.delete(key)));
  }

  async close(unused = false): Promise<void> {
    try {
      if (unused) await this.clear();
    } finally {
      this.release();
    }
  }
}

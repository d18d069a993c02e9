// What `Plume.cache` does with the files that loads have kept.
import { PlumeError } from "./errors.js";
import { BLOCK, megabytes, StoredFile, type Checksum, type Head, type Medium, type Shelf } from "./store.js";

/** A kept file, as `Plume.cache` tells of it. */
export interface CachedFile {
  url: string;
  /** Bytes of the whole file. */
  size: number;
  /** Bytes that are kept. */
  stored: number;
  /** Whether all of it is there. */
  complete: boolean;
  /** The SHA-256 that it was found to have, where the hub or the caller has named one. */
  sha256?: string;
}

/** What can be done to the files that are kept. */
export interface CacheCalls {
  list(): Promise<CachedFile[]>;
  delete(url?: string): Promise<void>;
  verify(url?: string): Promise<{ url: string; bad: number }[]>;
  export(url: string): Promise<Blob>;
}

/** Does it here. */
export class CacheManager implements CacheCalls {
  constructor(
    private readonly medium: () => Promise<Medium | undefined>,
    /** Asked for only where it is needed. */
    private readonly checksum: () => Promise<Checksum>,
  ) {}

  async list(): Promise<CachedFile[]> {
    return (await this.files()).map(({ file }) => file).sort((a, b) => (a.url < b.url ? -1 : 1));
  }

  async delete(url?: string): Promise<void> {
    const medium = await this.medium();
    // Names that a hub has explained are forgotten only with everything.
    const names = url === undefined ? ((await medium?.names()) ?? []) : (await this.files(url)).map(({ name }) => name);
    for (const name of names) await (await medium!.open(name)).close(true); // Not while it is loaded.
  }

  async verify(url?: string): Promise<{ url: string; bad: number }[]> {
    const results = [];
    const checksum = await this.checksum();
    for (const { name, head } of await this.files(url)) {
      const medium = (await this.medium())!;
      const shelf = await medium.open(name);
      try {
        const file = await StoredFile.open(shelf, medium, checksum, head.key, head.url);
        results.push({ url: head.url, bad: await file.check() });
      } finally {
        await shelf.close();
      }
    }
    return results;
  }

  async export(url: string): Promise<Blob> {
    const [found] = await this.files(url);
    const whole = (file?: CachedFile) => {
      if (file?.complete) return;
      const there = file ? `${megabytes(file.stored)} of it are kept` : "nothing of it is kept";
      throw new PlumeError("missing", `${url} cannot be exported: ${there}`);
    };
    whole(found?.file);
    const shelf = await (await this.medium())!.open(found!.name);
    // Somebody may have had it until now.
    const size = (await shelf.readHead().catch(() => undefined))?.size;
    try {
      whole(size === undefined ? undefined : await describe(url, size, shelf));
      return await shelf.blob(size!);
    } finally {
      await shelf.close(size === undefined);
    }
  }

  /** All files that are kept, or those of a URL. */
  private async files(url?: string): Promise<{ name: string; head: Head; file: CachedFile }[]> {
    const medium = await this.medium();
    const found = [];
    for (const name of (await medium?.names()) ?? []) {
      const shelf = await medium!.peek(name);
      const head = await shelf?.readHead().catch(() => undefined);
      if (head?.size === undefined || (url !== undefined && head.url !== url)) continue;
      const file = await describe(head.url, head.size, shelf!);
      if (head.sha256) file.sha256 = head.sha256;
      found.push({ name, head, file });
    }
    return found;
  }
}

/** How much of a file of so many bytes is there. */
async function describe(url: string, size: number, shelf: Pick<Shelf, "readChecksums">): Promise<CachedFile> {
  const checksums = await shelf.readChecksums(Math.ceil(size / BLOCK)).catch(() => new BigUint64Array());
  let stored = 0;
  for (const [block, checksum] of checksums.entries()) if (checksum) stored += Math.min(BLOCK, size - block * BLOCK);
  return { url, size, stored, complete: size > 0 && stored === size };
}

/** The files that loads have kept, so that they are downloaded once. */
export class ModelCache {
  constructor(private readonly calls: CacheCalls) {}

  /** Every file that is kept, in whole or in part. */
  list(): Promise<CachedFile[]> {
    return this.calls.list();
  }

  /** Bytes that are kept. */
  async size(): Promise<number> {
    return (await this.list()).reduce((sum, { stored }) => sum + stored, 0);
  }

  /** Deletes a file, by the URL that {@link list} gives, or everything. Waits while it is loaded. */
  delete(url?: string): Promise<void> {
    return this.calls.delete(url);
  }

  /**
   * Reads a file, or every one, and forgets the blocks that are not what was written; the next load downloads them again. Gives
   * the bytes of those.
   */
  verify(url?: string): Promise<{ url: string; bad: number }[]> {
    return this.calls.verify(url);
  }

  /**
   * A file that is there in whole. In Node one of 2 GiB or more has `stream()`, `slice()` and `arrayBuffer()`, but another Blob that
   * is made of it, or what a worker is sent of it, is empty.
   */
  export(url: string): Promise<Blob> {
    return this.calls.export(url);
  }
}

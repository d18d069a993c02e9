// Files from the network, kept in blocks. A block is there once its checksum is: what a tab that was closed, or a machine that lost
// power, has left half written is found out when it is read, and asked for again.

/** Bytes of a block. As in src/web/store.rs. */
export const BLOCK = 1 << 20;
/** The core's checksum of some bytes, never 0: quicker than any that a browser has. Another seed gives another. */
export type Checksum = (bytes: Uint8Array, seed: bigint) => bigint;
/** By block; 0 where the block is not there. */
export type Checksums = BigUint64Array<ArrayBuffer>;

/** What is known of a kept file. */
export interface Head {
  /** What it is found by: its URL, or the digest that the hub has given. */
  key: string;
  url: string;
  /** What the server calls this version. */
  version?: string;
  size?: number;
  /** What the whole file was found to have. */
  sha256?: string;
  /** A text that is kept instead of a file. */
  note?: string;
}

/** One file's place on a medium. */
export interface Shelf {
  readHead(): Promise<Head | undefined>;
  writeHead(head: Head): Promise<void>;
  /** Those of so many blocks. */
  readChecksums(count: number): Promise<Checksums>;
  /** The checksum is written last; 0 means that the block is no longer there. */
  writeBlock(block: number, bytes: Uint8Array<ArrayBuffer>, checksum: bigint): Promise<void>;
  /** May put the bytes where `into` is, which has room for them. */
  readBlock(block: number, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
  /** The first so many bytes. */
  blob(size: number): Promise<Blob>;
  clear(): Promise<void>;
  /** Lets other processes have it, too, before it is closed: nothing more is to be downloaded. */
  share?(): Promise<void>;
  /** Lets others have it. `unused` leaves nothing behind. */
  close(unused?: boolean): Promise<void>;
}

/** Where files are kept. */
export interface Medium {
  /** Opens a file's place; waits while somebody else has it open. */
  open(name: string, signal?: AbortSignal): Promise<Shelf>;
  /** A file's head and its checksums, without waiting. */
  peek(name: string): Promise<Pick<Shelf, "readHead" | "readChecksums"> | undefined>;
  /** Those of all files, and of what is left of files whose removal was interrupted. */
  names(): Promise<string[]>;
  /** Bytes that there are in all, and bytes that are free, as far as that is known. */
  room(): Promise<{ quota: number; free: number } | undefined>;
}

export const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

const nameOf = async (key: string) => {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
};

/** As many bytes as a medium has of so many blocks' checksums. */
export function asChecksums(bytes: Uint8Array, count: number): Checksums {
  const checksums = new BigUint64Array(count);
  const room = new Uint8Array(checksums.buffer);
  room.set(bytes.subarray(0, room.length));
  return checksums;
}

/** A head as text, or undefined where it is half written. */
export function parseHead(text: string): Head | undefined {
  try {
    return text ? (JSON.parse(text) as Head) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps files for a load; the core calls it. */
export class Store {
  private readonly opened: StoredFile[] = [];
  private closed = false;

  constructor(
    private readonly medium: Medium,
    private readonly checksum: Checksum,
    private readonly signal?: AbortSignal,
  ) {}

  async open(key: string, url: string): Promise<StoredFile> {
    const shelf = await this.medium.open(await nameOf(key), this.signal);
    try {
      const file = await StoredFile.open(shelf, this.medium, this.checksum, key, url);
      this.opened.push(file);
      if (this.closed) await file.close();
      return file;
    } catch (error) {
      await shelf.close();
      throw error;
    }
  }

  /** Closes what a core that has crashed has left open. */
  close(): void {
    this.closed = true;
    for (const file of this.opened) void file.close();
  }

  /** Keeps a text under a name. */
  async note(name: string, text: string): Promise<void> {
    const key = `note:${name}`;
    const shelf = await this.medium.open(await nameOf(key), this.signal);
    await shelf.writeHead({ key, url: name, note: text }).finally(() => shelf.close());
  }

  /** The text that was kept under a name. */
  async noted(name: string): Promise<string | undefined> {
    const shelf = await this.medium.peek(await nameOf(`note:${name}`));
    return (await shelf?.readHead())?.note;
  }
}

const seedOf = (checksum: Checksum, { version, size }: Head) =>
  checksum(new TextEncoder().encode(`${version}\n${size}`), 0n);

/** A file that is open in the store. */
export class StoredFile {
  private closed = false;

  private constructor(
    private readonly shelf: Shelf,
    private readonly medium: Medium,
    private readonly checksum: Checksum,
    private head: Head,
    private checksums: Checksums,
    /** What tells the blocks of one version from those of another. */
    private seed = seedOf(checksum, head),
  ) {}

  static async open(shelf: Shelf, medium: Medium, checksum: Checksum, key: string, url: string): Promise<StoredFile> {
    const head = await shelf.readHead();
    const known = head?.key === key && head.version !== undefined && head.size !== undefined;
    const checksums = known ? await shelf.readChecksums(Math.ceil(head.size! / BLOCK)) : new BigUint64Array();
    // What is downloaded again has to be found right again.
    if (known && head.sha256 !== undefined && checksums.includes(0n)) {
      delete head.sha256;
      await shelf.writeHead(head);
    }
    if (known && !checksums.includes(0n)) await shelf.share?.();
    return new StoredFile(shelf, medium, checksum, known ? head : { key, url }, checksums);
  }

  get version(): string | undefined {
    return this.head.version;
  }

  get size(): number | undefined {
    return this.head.size;
  }

  get sha256(): string | undefined {
    return this.head.sha256;
  }

  has(block: number): boolean {
    return !!this.checksums[block];
  }

  /** Forgets what is there, and makes sure that there is room. */
  async begin(version: string, size: number): Promise<void> {
    await this.clear();
    const room = await this.medium.room();
    if (room && room.free < size)
      throw Object.assign(
        new Error(
          `${this.head.url} takes ${megabytes(size)}; of ${megabytes(room.quota)} that may be kept here ` +
            `${megabytes(room.free)} are free. Delete what is not needed (Plume.cache), or load it with cache: false`,
        ),
        { name: "QuotaExceededError" },
      );
    this.head = { ...this.head, version, size };
    this.seed = seedOf(this.checksum, this.head);
    await this.guarded(() => this.shelf.writeHead(this.head));
    this.checksums = new BigUint64Array(Math.ceil(size / BLOCK));
  }

  /** A block, where `into` is perhaps; undefined where it is not what was written: then it is not there any more. */
  async read(block: number, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.shelf.readBlock(block, into.subarray(0, this.head.size! - block * BLOCK));
      if (this.checksum(bytes, this.seed) === this.checksums[block]) return bytes;
    } catch {
      // What cannot be read is not there.
    }
    this.checksums[block] = 0n;
    await this.shelf.writeBlock(block, new Uint8Array(), 0n).catch(() => {}); // A disk that fails at all.
    if (this.head.sha256 !== undefined) {
      delete this.head.sha256;
      await this.shelf.writeHead(this.head).catch(() => {});
    }
    return undefined;
  }

  async write(block: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const checksum = this.checksum(bytes, this.seed);
    await this.guarded(() => this.shelf.writeBlock(block, bytes, checksum));
    this.checksums[block] = checksum;
  }

  /** The whole file was found to have this SHA-256. */
  async verified(sha256: string): Promise<void> {
    this.head = { ...this.head, sha256 };
    await this.shelf.writeHead(this.head);
  }

  async clear(): Promise<void> {
    const { key, url } = this.head;
    this.head = { key, url };
    this.checksums = new BigUint64Array();
    await this.shelf.clear();
  }

  /** Bytes of blocks that are not what was written; they are not there any more. */
  async check(): Promise<number> {
    let bad = 0;
    const into = new Uint8Array(BLOCK);
    for (let block = 0; block * BLOCK < this.head.size!; block++) {
      if (!this.has(block) || (await this.read(block, into))) continue;
      bad += Math.min(BLOCK, this.head.size! - block * BLOCK);
    }
    return bad;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    // The core does not wait for it, and a failure that nobody is told ends a process.
    await this.shelf.close(this.head.version === undefined).catch(() => {});
  }

  /** A full disk says what to do. */
  private async guarded(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (thrown) {
      const { name, code, message } = thrown as Error & { code?: string };
      if (name !== "QuotaExceededError" && code !== "ENOSPC") throw thrown;
      const room = await this.medium.room().catch(() => undefined);
      const free = room ? `, ${megabytes(room.free)} are free` : "";
      const text = `${this.head.url} takes ${megabytes(this.head.size ?? 0)}${free}: ${message}. What has come is kept. Delete what is not needed (Plume.cache), or load it with cache: false`;
      throw Object.assign(new Error(text), { name: "QuotaExceededError" });
    }
  }
}

const held = new Map<string, Promise<void>>();

/** Waits until nobody else has this name, in any tab where the platform allows to know. Gives what lets the next one have it. */
export async function lock(name: string, signal?: AbortSignal): Promise<() => void> {
  let release!: () => void;
  const done = new Promise<void>((resolve) => (release = resolve));
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  if (locks) {
    await new Promise<void>((granted, refused) => {
      const options = signal ? { signal } : {};
      locks.request(`plume-lm/${name}`, options, () => (granted(), done)).catch(refused);
    });
    return release;
  }
  const before = held.get(name) ?? Promise.resolve();
  const all = before.then(() => done);
  held.set(name, all);
  void all.then(() => held.get(name) === all && held.delete(name));
  const aborted = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
  await Promise.race([before, aborted]);
  if (!signal?.aborted) return release;
  release();
  throw Object.assign(new Error("aborted by the caller"), { name: "AbortError" });
}

// The origin private file system, with synchronous access handles, which only workers have.
import { BLOCK, asChecksums, lock, parseHead, type Checksums, type Head, type Medium, type Shelf } from "./store.js";

interface Handle {
  read(to: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  write(from: Uint8Array<ArrayBuffer>, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

type FileHandle = FileSystemFileHandle & { createSyncAccessHandle(): Promise<Handle> };
type Folder = FileSystemDirectoryHandle & { keys(): AsyncIterableIterator<string> };

/** A file in three: its bytes, the checksums of its blocks, and what is known of it. */
const PARTS = ["data", "checksums", "head"] as const;

/** The medium, where this browser and this thread have it. */
export async function opfs(): Promise<Medium | undefined> {
  try {
    const root = await navigator.storage.getDirectory();
    const folder = (await root.getDirectoryHandle("plume-lm", { create: true })) as Folder;
    if (!("createSyncAccessHandle" in FileSystemFileHandle.prototype)) return undefined;
    return new Opfs(folder);
  } catch {
    return undefined; // Private windows of some browsers refuse it.
  }
}

class Opfs implements Medium {
  constructor(private readonly folder: Folder) {}

  async open(name: string, signal?: AbortSignal): Promise<Shelf> {
    const release = await lock(name, signal);
    const handles: Handle[] = [];
    try {
      for (const part of PARTS) {
        const file = (await this.folder.getFileHandle(`${name}.${part}`, { create: true })) as FileHandle;
        handles.push(await file.createSyncAccessHandle());
      }
    } catch (error) {
      handles.forEach((handle) => handle.close());
      release();
      throw error;
    }
    const [data, checksums, head] = handles as [Handle, Handle, Handle];
    const blob = async (size: number) =>
      (await (await this.folder.getFileHandle(`${name}.data`)).getFile()).slice(0, size);
    return new OpfsShelf(data, checksums, head, blob, async (unused) => {
      if (unused) await this.remove(name);
      release();
    });
  }

  async peek(name: string): Promise<Pick<Shelf, "readHead" | "readChecksums"> | undefined> {
    const file = async (part: string) => (await this.folder.getFileHandle(`${name}.${part}`)).getFile();
    try {
      const head = await file("head");
      return {
        readHead: async () => parseHead(await head.text()),
        readChecksums: async (count) =>
          asChecksums(new Uint8Array(await (await file("checksums")).arrayBuffer()), count),
      };
    } catch {
      return undefined; // There is no such file.
    }
  }

  async names(): Promise<string[]> {
    const names = new Set<string>();
    for await (const file of this.folder.keys()) names.add(file.slice(0, file.lastIndexOf(".")));
    return [...names];
  }

  private async remove(name: string): Promise<void> {
    for (const part of PARTS) await this.folder.removeEntry(`${name}.${part}`).catch(() => {});
  }

  async room(): Promise<{ quota: number; free: number } | undefined> {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? undefined : { quota, free: Math.max(0, quota - (usage ?? 0)) };
  }
}

class OpfsShelf implements Shelf {
  constructor(
    private readonly data: Handle,
    private readonly checksums: Handle,
    private readonly head: Handle,
    readonly blob: (size: number) => Promise<Blob>,
    private readonly closed: (unused: boolean) => Promise<void>,
  ) {}

  async readHead(): Promise<Head | undefined> {
    return parseHead(new TextDecoder().decode(all(this.head)));
  }

  async writeHead(head: Head): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(head));
    // A head must not outlive what it speaks of.
    this.data.flush();
    this.checksums.flush();
    write(this.head, bytes, 0);
    this.head.truncate(bytes.length);
    this.head.flush();
  }

  async readChecksums(count: number): Promise<Checksums> {
    return asChecksums(all(this.checksums), count);
  }

  async writeBlock(block: number, bytes: Uint8Array<ArrayBuffer>, checksum: bigint): Promise<void> {
    write(this.data, bytes, block * BLOCK);
    const word = BigUint64Array.of(checksum);
    write(this.checksums, new Uint8Array(word.buffer), block * word.byteLength);
  }

  async readBlock(block: number, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return into.subarray(0, this.data.read(into, { at: block * BLOCK }));
  }

  async clear(): Promise<void> {
    for (const handle of [this.head, this.checksums, this.data]) handle.truncate(0);
  }

  async close(unused = false): Promise<void> {
    for (const handle of [this.data, this.checksums, this.head]) handle.close();
    await this.closed(unused);
  }
}

function all(handle: Handle): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(handle.getSize());
  return bytes.subarray(0, handle.read(bytes, { at: 0 }));
}

function write(handle: Handle, bytes: Uint8Array<ArrayBuffer>, at: number): void {
  const written = handle.write(bytes, { at });
  if (written < bytes.length) {
    const text = `${written} of ${bytes.length} bytes could be written`;
    throw Object.assign(new Error(text), { name: "QuotaExceededError" });
  }
}

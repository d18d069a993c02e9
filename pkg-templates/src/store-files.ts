// The file system, in Node.
import { constants, openAsBlob } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm, statfs, writeFile, type FileHandle } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { DiskFile } from "./disk-file.js";
import { lockFile } from "./lock-file.js";
import { BLOCK, asChecksums, lock, parseHead, type Checksums, type Head, type Medium, type Shelf } from "./store.js";

/** Where models are kept unless somebody says otherwise. */
function usualFolder(): string {
  const { PLUME_CACHE, XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (PLUME_CACHE) return PLUME_CACHE;
  const home = homedir();
  const usual = { darwin: path.join(home, "Library/Caches"), win32: LOCALAPPDATA ?? path.join(home, "AppData/Local") };
  const base = usual[process.platform as keyof typeof usual] ?? XDG_CACHE_HOME ?? path.join(home, ".cache");
  return path.join(base, "plume-lm");
}

/** The medium, where the folder can be made. */
export async function files(folder = usualFolder()): Promise<Medium | undefined> {
  try {
    await mkdir(folder, { recursive: true });
    return new Files(path.resolve(folder));
  } catch {
    return undefined;
  }
}

class Files implements Medium {
  constructor(private readonly folder: string) {}

  async open(name: string, signal?: AbortSignal): Promise<Shelf> {
    const release = await lock(this.at(name), signal);
    let unlock = async () => {};
    const handles: FileHandle[] = [];
    try {
      unlock = await this.lockFile(name, signal);
      // Neither emptied nor appended to where it is there.
      const flags = constants.O_RDWR | constants.O_CREAT;
      for (const part of ["data", "checksums"]) handles.push(await open(this.at(`${name}.${part}`), flags));
      const [data, checksums] = handles as [FileHandle, FileHandle];
      return new FilesShelf(this.at(name), data, checksums, unlock, async (unused) => {
        try {
          if (unused) await this.remove(name);
        } finally {
          await unlock();
          release();
        }
      });
    } catch (error) {
      await Promise.all(handles.map((handle) => handle.close()));
      await unlock();
      release();
      throw error;
    }
  }

  /** Against other processes, where that can be: on a full disk, for one, files are still read and deleted. */
  private async lockFile(name: string, signal?: AbortSignal): Promise<() => Promise<void>> {
    try {
      return await lockFile(this.at(`${name}.lock`), signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      return async () => {};
    }
  }

  async peek(name: string): Promise<Pick<Shelf, "readHead" | "readChecksums"> | undefined> {
    return {
      readHead: () => readHead(this.at(`${name}.head`)),
      readChecksums: async (count) => asChecksums(await readFile(this.at(`${name}.checksums`)), count),
    };
  }

  async names(): Promise<string[]> {
    const files = (await readdir(this.folder)).filter((file) => /^[0-9a-f]{32}\./.test(file));
    return [...new Set(files.map((file) => file.slice(0, 32)))];
  }

  private async remove(name: string): Promise<void> {
    for (const part of ["data", "checksums", "head"]) await rm(this.at(`${name}.${part}`), { force: true });
  }

  async room(): Promise<{ quota: number; free: number } | undefined> {
    const { blocks, bavail, bsize } = await statfs(this.folder);
    return { quota: blocks * bsize, free: bavail * bsize };
  }

  private at(file: string): string {
    return path.join(this.folder, file);
  }
}

const readHead = (file: string) => readFile(file, "utf8").then(parseHead, () => undefined);

class FilesShelf implements Shelf {
  constructor(
    private readonly base: string,
    private readonly data: FileHandle,
    private readonly checksums: FileHandle,
    /** Lets other processes have it. */
    readonly share: () => Promise<void>,
    private readonly closed: (unused: boolean) => Promise<void>,
  ) {}

  readHead(): Promise<Head | undefined> {
    return readHead(`${this.base}.head`);
  }

  async writeHead(head: Head): Promise<void> {
    // Another process may read it meanwhile.
    const fresh = `${this.base}.${crypto.randomUUID()}`;
    await writeFile(fresh, JSON.stringify(head));
    await rename(fresh, `${this.base}.head`);
  }

  async readChecksums(count: number): Promise<Checksums> {
    return asChecksums(await readFile(`${this.base}.checksums`), count);
  }

  async writeBlock(block: number, bytes: Uint8Array<ArrayBuffer>, checksum: bigint): Promise<void> {
    await this.data.write(bytes, 0, bytes.length, block * BLOCK);
    const word = BigUint64Array.of(checksum);
    await this.checksums.write(word, 0, word.byteLength, block * word.byteLength);
  }

  async readBlock(block: number, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const { bytesRead } = await this.data.read(into, 0, into.length, block * BLOCK);
    return into.subarray(0, bytesRead);
  }

  async blob(size: number): Promise<Blob> {
    const data = `${this.base}.data`;
    // Node's own is good for more, as far as it is right.
    return (size < 2 ** 31 ? await openAsBlob(data) : await DiskFile.open(data)).slice(0, size);
  }

  async clear(): Promise<void> {
    await rm(`${this.base}.head`, { force: true });
    await this.checksums.truncate();
    await this.data.truncate();
  }

  async close(unused = false): Promise<void> {
    await Promise.allSettled([this.data.close(), this.checksums.close()]);
    await this.closed(unused);
  }
}

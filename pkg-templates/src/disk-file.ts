import { open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";

/** Bytes that are read at once for a stream. */
const CHUNK = 1 << 20;
/** The most that Node can read at once is less than twice this; of more it dies. */
const MOST = 1 << 30;

/**
 * A file on disk, of which nothing is read before it is asked for. Node's own, of `openAsBlob`, is wrong beyond 2 GiB: slices of it
 * are empty, and its size is what is left of 4 GiB. What Node itself does with a Blob, such as to make another of it or to send it to a
 * worker, finds this one empty.
 */
export class DiskFile extends File {
  private constructor(
    private readonly path: string,
    private readonly modified: number,
    private readonly from: number,
    private readonly to: number,
    type = "",
  ) {
    super([], basename(path), { type, lastModified: Math.floor(modified) });
  }

  static async open(file: string): Promise<DiskFile> {
    const { size, mtimeMs } = await stat(file);
    return new DiskFile(resolve(file), mtimeMs, 0, size);
  }

  override get size(): number {
    return this.to - this.from;
  }

  override slice(start = 0, end = this.size, type = ""): DiskFile {
    const place = (place: number) => {
      const at = Math.trunc(place) || 0;
      return this.from + Math.min(Math.max(at < 0 ? this.size + at : at, 0), this.size);
    };
    return new DiskFile(this.path, this.modified, place(start), Math.max(place(start), place(end)), type);
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const file = await open(this.path);
    try {
      const bytes = new Uint8Array(this.size);
      let filled = 0;
      while (filled < bytes.length) {
        const length = Math.min(bytes.length - filled, MOST);
        const { bytesRead } = await file.read(bytes, filled, length, this.from + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      const changed = (await file.stat()).mtimeMs !== this.modified;
      if (changed || filled < bytes.length)
        throw new DOMException(`${this.path} has changed since it was opened`, "NotReadableError");
      return bytes.buffer;
    } finally {
      await file.close();
    }
  }

  override async text(): Promise<string> {
    return new TextDecoder().decode(await this.arrayBuffer());
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = 0;
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        if (at === this.size) {
          controller.close();
          controller.byobRequest?.respond(0);
          return;
        }
        const part = this.slice(at, at + CHUNK);
        at += part.size;
        controller.enqueue(new Uint8Array(await part.arrayBuffer()));
      },
    });
  }
}

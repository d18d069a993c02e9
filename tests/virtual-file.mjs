// Files that are larger than what a test wants to hold: their bytes are made when they are asked for.
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";

/** The most bytes that are made at once. */
const MOST = 2 ** 31;

/**
 * A file of so many bytes. Each of `parts`, in order and without overlap, has `length` bytes from `at`, where `pattern` repeats; all
 * else is zero. Gives what a Buffer of the file would: its `length`, and bytes by `subarray`, which gives a Buffer as far as that
 * can be; and `save(path)`, which writes a sparse file.
 */
export function virtualFile(parts, length) {
  return {
    length,
    subarray(first, end) {
      const size = Math.min(end, length) - first;
      if (size > MOST)
        return { length: size, subarray: (from, to) => this.subarray(first + from, first + Math.min(to, size)) };
      const bytes = Buffer.alloc(size);
      for (const { at, length: filled, pattern } of parts) {
        let from = Math.max(at, first);
        const to = Math.min(at + filled, first + bytes.length);
        while (from < to) {
          const start = (from - at) % pattern.length;
          const copied = Math.min(pattern.length - start, to - from);
          pattern.copy(bytes, from - first, start, start + copied);
          from += copied;
        }
      }
      return bytes;
    },
    save(path) {
      const file = openSync(path, "w");
      ftruncateSync(file, length);
      for (const { at, length: filled, pattern } of parts)
        for (let from = 0; from < filled; from += pattern.length)
          writeSync(file, pattern, 0, Math.min(pattern.length, filled - from), at + from);
      closeSync(file);
    },
  };
}

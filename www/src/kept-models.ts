// From the files that are kept to the models that they are: the parts of a GGUF belong together, and the files of a folder.
import type { CachedFile } from "plume-lm";

export interface KeptModel {
  name: string;
  /** What loads it. */
  source: string;
  files: CachedFile[];
  /** Bytes of all files that are known of, and those that are kept. */
  size: number;
  stored: number;
}

const PART = /-(\d{5})-of-(\d{5})\.gguf$/;

export function keptModels(files: CachedFile[]): KeptModel[] {
  const models = new Map<string, KeptModel>();
  for (const file of files) {
    const source = sourceOf(file.url);
    const model = models.get(source) ?? { name: nameOf(source), source, files: [], size: 0, stored: 0 };
    model.files.push(file);
    model.size += file.size;
    model.stored += file.stored;
    models.set(source, model);
  }
  return [...models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What loads the model that a file belongs to: the file, its first part, or its folder. */
function sourceOf(url: string): string {
  const [path, query = ""] = url.split(/(?=\?)/);
  if (PART.test(path!)) return path!.replace(PART, "-00001-of-$2.gguf") + query;
  return path!.endsWith(".gguf") ? url : path!.slice(0, path!.lastIndexOf("/") + 1);
}

/** Owner and model where a hub has it, else the last part of the path; and the file, if it is one. */
function nameOf(source: string): string {
  const parts = new URL(source).pathname.split("/").filter(Boolean).map(readable);
  const file = parts.at(-1)?.replace(PART, ".gguf") ?? source;
  const resolve = parts.indexOf("resolve");
  if (resolve < 2) return file;
  const repository = parts.slice(resolve - 2, resolve).join("/");
  return source.endsWith("/") ? repository : file;
}

/** The last part of a URL, readable where it can be read. */
export function fileName(url: string): string {
  return readable(url.replace(/\/$/, "").split("/").pop() ?? url);
}

function readable(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

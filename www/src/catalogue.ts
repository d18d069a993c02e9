// The models that the page offers by itself. What is said of them is known beforehand: no server is asked before a visitor wants one.
import type { ModelSource } from "plume-lm";

export interface CatalogueModel {
  name: string;
  source: ModelSource;
  /** What it is, in a sentence. */
  about: string;
  /** Bytes of its file. */
  size: number;
  /** Bytes of its cache when the context is full. */
  cache: number;
  licence: string;
  /** Where a hub has it, and as what, where it is no part of the page. */
  repository?: string;
  file?: string;
}

/** Where models come from by name, unless the page's address says otherwise. */
export const HUB = "https://huggingface.co";

const INSTRUCT = {
  repository: "PLM-Team/PLM-1.8B-Instruct-gguf",
  about: "1.8 billion parameters: English and Chinese, questions, code, sums.",
  // 4096 tokens of 36,864 bytes.
  cache: 150_994_944,
  licence: "MIT or Apache-2.0, by its authors (PLM-Team)",
};

/** A part of the page. */
export const EMBEDDED: CatalogueModel = {
  name: "plm-tiny",
  source: new URL("plume-lm/models/plm-tiny.gguf", document.baseURI),
  about: "3.5 million parameters, made for this page: stories, capitals, colours, small sums.",
  size: 3_800_000,
  // 512 tokens of 640 bytes.
  cache: 327_680,
  licence: "MIT or Apache-2.0",
};

export const CATALOGUE: CatalogueModel[] = [
  EMBEDDED,
  {
    name: "PLM-1.8B-Instruct Q4_K_M",
    source: "PLM-Team/PLM-1.8B-Instruct-gguf:Q4_K_M",
    file: "PLM-1.8B-Instruct-Q4_K_M.gguf",
    size: 1_182_708_992,
    ...INSTRUCT,
  },
  {
    name: "PLM-1.8B-Instruct Q8_0",
    source: "PLM-Team/PLM-1.8B-Instruct-gguf:Q8_0",
    file: "PLM-1.8B-Instruct-Q8_0.gguf",
    size: 1_950_000_000,
    ...INSTRUCT,
  },
];

/** Bytes of memory that a model takes, of the GPU's or of the host's: its weights, its cache, and some room to work in. */
export function memoryOf({ size, cache }: Pick<CatalogueModel, "size" | "cache">): number {
  return size * 1.05 + cache + 50e6;
}

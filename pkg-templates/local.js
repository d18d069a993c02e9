// For what resolves "plume-lm/local" without the exports of package.json, as Parcel does.
export * from "./dist/local.js";

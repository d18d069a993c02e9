/** In place of store-opfs.js: a browser that has no origin private file system. */
export const opfs = async () => undefined;

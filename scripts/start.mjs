// npm start: builds what is missing and serves the demo. PORT and HOST choose where.
import path from "node:path";
import { build } from "./build.mjs";
import { serve } from "./serve.mjs";
import { root } from "./setup.mjs";

await build();
const host = process.env.HOST ?? "127.0.0.1";
const site = { "/": path.join(root, "build/site") };
const wanted = Number(process.env.PORT ?? 8080);
const { origin } = await serve(site, { port: wanted, host, isolated: true }).catch((error) => {
  if (error.code !== "EADDRINUSE" || process.env.PORT) throw error;
  return serve(site, { host, isolated: true });
});
console.log(`\nPlume is at ${origin}/\nCtrl+C ends it.`);

// node scripts/icons.mjs: the icons of the installed page, drawn of www/icon.svg.
import { readFileSync } from "node:fs";
import { launch } from "./chromium.mjs";
import { at } from "./make.mjs";

const icon = `data:image/svg+xml;base64,${readFileSync(at("www/icon.svg")).toString("base64")}`;
/** Each with its size, the share of it that the feather takes, and what is behind it. */
const icons = {
  "icon-192": [192, 1, "transparent"],
  "icon-512": [512, 1, "transparent"],
  // Systems cut this one into their own shapes.
  "icon-maskable": [512, 0.6, "#fbfaf7"],
};

const browser = await launch({ webgpu: false });
for (const [name, [size, share, behind]] of Object.entries(icons)) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const style = `margin:0;height:100vh;display:grid;place-items:center;background:${behind}`;
  await page.setContent(`<body style="${style}"><img src="${icon}" width="${size * share}" height="${size * share}">`);
  await page.screenshot({ path: at("www", `${name}.png`), omitBackground: true });
  await page.close();
}
await browser.close();

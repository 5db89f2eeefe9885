// Opens pages of a mirror in a real browser and says what is wrong with them, as JSON on standard output.
//
// node browser.mjs CHROMIUM BASE-URL FOLDER-FOR-PICTURES
//
// MIDMIRROR_BROWSER names the folder whose node_modules has puppeteer-core and axe-core, NODE_EXTRA_CA_CERTS the mirror's CA. Checked of every page that links lead
// to: messages on the console and requests that fail, axe-core's findings in light and dark, that nothing is wider than a
// narrow window, that no script is in it, and that every link and fragment leads somewhere.

import { request } from "node:https";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.MIDMIRROR_BROWSER, "node_modules", "x.js"));
const puppeteer = require("puppeteer-core");
const axe = require("axe-core").source;

const [chromium, base, pictures] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  acceptInsecureCerts: true,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"],
});
const problems = [];
const visited = [];
const links = new Map();
try {
  const page = await browser.newPage();
  let where = "";
  page.on("console", (message) => problems.push(`${where}: console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`${where}: error: ${error.message}`));
  page.on("requestfailed", (request) => problems.push(`${where}: failed: ${request.url()}`));
  const queue = [`${base}/`, `${base}/?q=mid-core&family=&kind=&platform=`, `${base}/?q=%3Cb%3E%22nothing%22&page=7`];
  while (queue.length > 0 && visited.length < 14) {
    const url = queue.shift();
    where = url.slice(base.length);
    await look(page, url);
    visited.push(where);
    for (const link of await page.$$eval("a[href]", (all) => all.map((link) => link.href))) {
      const [address, fragment] = link.split("#");
      const known = links.get(address) ?? new Set();
      const isNew = !links.has(address);
      if (fragment) known.add(fragment);
      links.set(address, known);
      if (isNew && address.startsWith(`${base}/`) && !queue.includes(address) && isPage(address)) queue.push(address);
    }
  }
  await follow(page);
  await keyboard(page);
} finally {
  await browser.close();
}
console.log(JSON.stringify({ visited, links: links.size, problems }, null, 1));

function isPage(address) {
  const path = new URL(address).pathname;
  return (path === "/" || path.startsWith("/package/")) && !visited.includes(address.slice(base.length));
}

async function look(page, url) {
  const name = visited.length.toString().padStart(2, "0");
  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.setViewport({ width: 1200, height: 900 });
    const response = await page.goto(url, { waitUntil: "load" });
    if (response.status() !== 200) problems.push(`${url}: status ${response.status()}`);
    await page.evaluate(axe);
    const { passes, violations } = await page.evaluate(() => globalThis.axe.run(document));
    if (passes.length < 20) problems.push(`${url}: axe has checked ${passes.length} rules only`);
    for (const { id, impact, nodes } of violations) {
      problems.push(`${url}: axe ${scheme}: ${impact} ${id}: ${nodes[0].html}`);
    }
    await page.screenshot({ path: join(pictures, `${name}-${scheme}.png`), fullPage: true });
  }
  const scripts = await page.$$eval("script, [style], style, [onclick]", (all) => all.length);
  if (scripts > 0) problems.push(`${url}: ${scripts} scripts or styles in the page`);
  await page.setViewport({ width: 360, height: 740 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  if (width > 360) problems.push(`${url}: ${width} wide in a window of 360`);
  await page.screenshot({ path: join(pictures, `${name}-narrow.png`), fullPage: true });
  await page.pdf({ path: join(pictures, `${name}.pdf`), format: "A4" });
}

// Every link of the site is asked for; fragments have to be there.
async function follow(page) {
  for (const [address, fragments] of links) {
    if (!address.startsWith(`${base}/`)) {
      problems.push(`a link leads out of the site: ${address}`);
      continue;
    }
    const status = await ask(address);
    if (status !== 200) problems.push(`link to ${address}: ${status}`);
    if (fragments.size === 0) continue;
    await page.goto(address, { waitUntil: "load" });
    for (const fragment of fragments) {
      if ((await page.$(`[id="${fragment}"]`)) === null) problems.push(`no #${fragment} in ${address}`);
    }
  }
}

function ask(address) {
  return new Promise((resolve) => {
    const asking = request(address, { method: "HEAD" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asking.on("error", (error) => resolve(error.message));
    asking.end();
  });
}

// The first key leads past the head; every thing that can be reached shows that it was.
async function keyboard(page) {
  await page.setViewport({ width: 1200, height: 900 });
  await page.goto(`${base}/`, { waitUntil: "load" });
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => {
    const { left, width } = document.activeElement.getBoundingClientRect();
    return { name: document.activeElement.className, seen: left >= 0 && width > 10 };
  });
  if (first.name !== "skip" || !first.seen) problems.push(`the first key leads to ${JSON.stringify(first)}`);
  await page.keyboard.press("Enter");
  const target = await page.evaluate(() => document.activeElement.id);
  if (target !== "content") problems.push(`skipping leads to ${target}`);
  for (let steps = 0; steps < 12; steps += 1) {
    await page.keyboard.press("Tab");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    if (outline === "none") problems.push(`step ${steps} with the keyboard cannot be seen`);
  }
}

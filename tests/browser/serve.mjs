// Clicks through every page of `gleaner serve` in a real browser: no violation of the policy, no error
// in the console, no serious finding of axe, nothing beyond the edge, in light and dark, narrow and
// wide. Takes the pictures of the documentation. Run by `make test-browser`.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Browser } from "./chromium.mjs";
import { fill } from "./sites.mjs";

const [gleaner, chromium, axe, pictures] = process.argv.slice(2);
const LOOKS = [[1400, "light"], [1400, "dark"], [375, "light"], [375, "dark"]];
const SWEEPS = 2;

const folder = mkdtempSync(join(tmpdir(), "gleaner-browser-"));
const store = `sqlite:${join(folder, "sites.db")}`;

function serve(store) {
  const child = spawn(gleaner, ["serve", "--store", store, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "ignore", "pipe"] });
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      const url = /on (http:\S+);/.exec(said)?.[1];
      if (url) resolve({ child, url });
    });
    child.on("exit", (code) => reject(new Error(`gleaner serve: ${code}: ${said}`)));
  });
}

// Fails on whatever the browser complained of. An answer of 503 or 404 is what some pages are.
async function isCalm(browser, where) {
  const violations = await browser.evaluate("window.violations ?? []");
  const known = /status of (404|503)|ERR_CONNECTION_REFUSED/;
  const complaints = browser.complaints.splice(0).filter((it) => !known.test(it));
  assert.deepEqual([...violations, ...complaints], [], where);
}

async function inspect(browser, where) {
  for (const [width, scheme] of LOOKS) {
    await browser.look(width, scheme);
    const [wide, room] = await browser.evaluate("[document.scrollingElement.scrollWidth, innerWidth]");
    assert.ok(wide <= room && room <= width, `${where}: ${wide} px wide on ${width}`);
    await browser.evaluate(`if (!window.axe) { ${readFileSync(axe, "utf8")} }`);
    const found = await browser.evaluate(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
      violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map((it) => it.html + " " + it.any.map((any) => any.message)) })))`);
    const grave = found.filter((it) => ["serious", "critical"].includes(it.impact));
    assert.deepEqual(grave, [], `${where} ${width} ${scheme}`);
  }
  await isCalm(browser, where);
}

// Clicks each link that was not followed yet, and inspects its page.
async function walk(browser, url) {
  const [seen, queue, sweeps] = [new Set(["/"]), ["/"], new Map()];
  while (queue.length > 0) {
    const path = queue.shift();
    const links = `[...document.links].map((it) => it.getAttribute("href"))`;
    const here = await browser.evaluate(links);
    if (here.includes(path)) await browser.click(path);
    else await browser.open(url + path);
    await inspect(browser, path);
    const { title, lang, heads } = await browser.evaluate(`({ title: document.title, lang: document.documentElement.lang,
      heads: document.querySelectorAll("h1").length })`);
    assert.ok(title.endsWith("gleaner") && lang === "en" && heads === 1, `${path}: ${title} ${lang} ${heads}`);
    for (const link of await browser.evaluate(links)) {
      if (seen.has(link) || !/^\/(sites\/.*)?$/.test(link)) continue;
      seen.add(link);
      const site = link.split("/sweeps/")[0];
      if (link.includes("/sweeps/")) sweeps.set(site, (sweeps.get(site) ?? 0) + 1);
      if (!link.includes("/sweeps/") || sweeps.get(site) <= SWEEPS) queue.push(link);
    }
  }
  return seen;
}

// The page goes on by itself, and leaves a person's place alone.
async function refreshes(browser, url) {
  await browser.look(1400, "light");
  await browser.open(`${url}/sites/archive`);
  await browser.until(`document.querySelector("#running .charts") !== null`, "two heartbeats");
  await browser.evaluate(`window.same = true; window.done = document.querySelector("progress").value;
    document.querySelector("#past a").focus(); scrollTo(0, 120)`);
  await browser.until(`document.querySelector("progress").value > window.done`, "progress");
  assert.deepEqual(await browser.evaluate(`[window.same, document.activeElement.closest("#past") !== null, scrollY]`), [true, true, 120]);
  await browser.open(`${url}/sites/maps`);
  await browser.evaluate(`document.querySelector("details").open = true; window.part = document.querySelector("#state")`);
  await browser.until(`!window.part.isConnected`, "a part is replaced");
  assert.equal(await browser.evaluate(`document.querySelector("details").open`), true);
  await isCalm(browser, "refresh");
}

async function withoutScript(browser, url) {
  await browser.send("Emulation.setScriptExecutionDisabled", { value: true });
  await browser.open(url);
  assert.ok((await browser.evaluate(`document.querySelectorAll("#sites tbody tr").length`)) >= 8);
  await browser.send("Emulation.setScriptExecutionDisabled", { value: false });
}

async function empty(browser) {
  const none = join(folder, "none.db");
  const { child, url } = await serve(`sqlite:${none}`);
  await browser.open(url);
  await inspect(browser, "store away");
  assert.match(await browser.evaluate("document.body.innerText"), /cannot be read/);
  execFileSync("python3", ["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('create table mine (a)')", none]);
  await browser.until(`document.body.innerText.includes("No sweeps yet")`);
  await inspect(browser, "empty store");
  child.removeAllListeners("exit");
  child.kill();
  await browser.until(`!document.querySelector("#lost").hidden`, "the page says that the server is away");
  await isCalm(browser, "server away");
}

async function picture(browser, url) {
  mkdirSync(pictures, { recursive: true });
  for (const [name, path, width, scheme, height] of [
    ["sites", "/", 1400, "light", 1200],
    ["site", "/sites/books", 1400, "dark", 1400],
    ["running", "/sites/archive", 1400, "light", 1100],
    ["narrow", "/", 375, "dark", 900],
    ["alert", "/sites/films", 1400, "light", 1200],
    ["failures", "/sites/maps", 375, "light", 1600],
  ]) {
    await browser.look(width, scheme);
    await browser.open(url + path);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await browser.screenshot(join(pictures, `serve-${name}.png`), height);
  }
}

const stop = await fill(gleaner, folder, store);
const server = await serve(store);
const browser = await Browser.start(chromium);
try {
  await browser.send("Page.enable");
  const strangers = [];
  browser.asked = (asked) => asked.startsWith("http") && !asked.startsWith(server.url) && strangers.push(asked);
  await refreshes(browser, server.url);
  await picture(browser, server.url);
  const pages = await walk(browser, server.url);
  for (const path of ["/sites/nothing", "/nothing"]) {
    await browser.open(server.url + path);
    await inspect(browser, path);
  }
  await withoutScript(browser, server.url);
  assert.deepEqual(strangers, [], "nothing is asked for elsewhere");
  browser.asked = null;
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  execFileSync("promtool", ["check", "metrics"], { input: metrics });
  execFileSync("promtool", ["check", "rules", "contrib/alerts.yml"]);
  await empty(browser);
  console.log(`${pages.size} pages and links, ${LOOKS.length} looks each: no finding`);
} finally {
  server.child.removeAllListeners("exit");
  server.child.kill();
  stop();
  await browser.stop();
  rmSync(folder, { recursive: true, force: true });
}

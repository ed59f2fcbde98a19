// Chromium, driven over the DevTools protocol through a pipe: no library, no port.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
];
const LONGEST_MS = 30_000;

export class Browser {
  static async start(program) {
    const folder = mkdtempSync(join(tmpdir(), "gleaner-chromium-"));
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    const child = spawn(program, [...FLAGS, `--user-data-dir=${folder}`, "about:blank"], { stdio });
    const browser = new Browser(child, folder);
    const { targetInfos } = await browser.send("Target.getTargets");
    const { targetId } = targetInfos.find((it) => it.type === "page");
    const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    browser.session = sessionId;
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await browser.send(`${domain}.enable`);
    // Violations of the policy are kept by the page itself.
    const source = `window.violations = [];
      document.addEventListener("securitypolicyviolation", (it) => violations.push(it.violatedDirective + " " + it.blockedURI));`;
    await browser.send("Page.addScriptToEvaluateOnNewDocument", { source });
    return browser;
  }

  constructor(child, folder) {
    Object.assign(this, { child, folder, next: 1, waiting: new Map(), listeners: [], complaints: [] });
    let heard = "";
    child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (heard + text).split("\0");
      heard = messages.pop();
      messages.forEach((message) => this.hear(JSON.parse(message)));
    });
  }

  hear({ id, method, params, error, result }) {
    if (id) {
      const { resolve, reject, method: asked } = this.waiting.get(id);
      this.waiting.delete(id);
      return error ? reject(new Error(`${asked}: ${error.message} ${error.data ?? ""}`)) : resolve(result);
    }
    if (method === "Runtime.exceptionThrown") this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) this.complaints.push(JSON.stringify(params.args));
    if (method === "Log.entryAdded" && ["error", "warning"].includes(params.entry.level)) this.complaints.push(`${params.entry.text} ${params.entry.url ?? ""}`);
    if (method === "Network.requestWillBeSent") this.asked?.(params.request.url);
    this.listeners = this.listeners.filter(({ wanted, resolve }) => wanted !== method || resolve(params));
  }

  send(method, params = {}) {
    const id = this.next++;
    const message = { id, method, params, ...(this.session && !method.startsWith("Target.") && { sessionId: this.session }) };
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, method });
      setTimeout(() => reject(new Error(`no answer to ${method}`)), LONGEST_MS).unref();
      this.child.stdio[3].write(JSON.stringify(message) + "\0");
    });
  }

  event(wanted) {
    return new Promise((resolve, reject) => {
      this.listeners.push({ wanted, resolve: (params) => void resolve(params) });
      setTimeout(() => reject(new Error(`no ${wanted}`)), LONGEST_MS).unref();
    });
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async until(expression, what = expression) {
    const deadline = Date.now() + LONGEST_MS;
    while (!(await this.evaluate(expression))) {
      if (Date.now() > deadline) throw new Error(`never: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async open(url) {
    const loaded = this.event("Page.loadEventFired");
    await this.send("Page.navigate", { url });
    await loaded;
  }

  // Clicks the link, as a person does, and waits for its page.
  async click(href) {
    const loaded = this.event("Page.loadEventFired");
    await this.evaluate(`[...document.links].find((it) => it.getAttribute("href") === ${JSON.stringify(href)}).click()`);
    await loaded;
  }

  async look(width, scheme) {
    const height = width < 500 ? 812 : 900;
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    await this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  async screenshot(path, height) {
    const { cssContentSize, cssLayoutViewport } = await this.send("Page.getLayoutMetrics");
    const clip = { x: 0, y: 0, width: cssLayoutViewport.clientWidth, height: Math.min(height, cssContentSize.height), scale: 1 };
    const { data } = await this.send("Page.captureScreenshot", { format: "png", clip, captureBeyondViewport: true });
    writeFileSync(path, Buffer.from(data, "base64"));
  }

  stop() {
    return new Promise((resolve) => {
      this.child.on("exit", () => {
        rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
        resolve();
      });
      this.child.kill();
    });
  }
}

// Web sites on loopback in every state, and a store that real crawls of them have filled.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const TITLES = ["The Salt Road", "Winter Light", "A Field Guide", "Northbound", "The Glass Orchard"];

// What each site is like at present. `at` is the number of items.
const sites = {
  books: { at: 240 }, films: { at: 96 }, tools: { at: 130 }, recipes: { at: 180 }, museums: { at: 60 }, maps: { at: 44 },
  archive: { at: 900, delay: 90 },
};

const server = createServer((request, response) => {
  const [, name, what, id] = new URL(request.url, "http://h").pathname.split("/");
  const site = sites[name];
  const send = (status, body, type = "application/json") => response.writeHead(status, { "content-type": type }).end(body);
  if (!site) return send(404, "");
  if (site.down) return send(503, "<html><body><h1>Down for maintenance</h1><script>alert(1)</script></body></html>", "text/html");
  if (what === "list") {
    return send(200, JSON.stringify({ items: Array.from({ length: site.at }, (_, at) => ({ id: at + 1 })) }));
  }
  if (Number(id) <= (site.broken ?? 0)) return send(500, `<script>alert("${name}")</script>`, "text/html");
  const price = Number(id) % 10 < (site.priced ?? 10) ? Number(id) + (site.dearer ?? 0) * (Number(id) % 7 === 0) : null;
  const body = JSON.stringify({ id: Number(id), title: TITLES[id % 5], ...(price !== null && { price }) });
  setTimeout(() => send(200, body), site.delay ?? 0);
});

const siteFile = (name, base, expect = "") => `name = "${name}"
base_url = "${base}/${name}/"
[index]
url = "list"
items = "$.items[*]"
key = "$.id"
[detail]
url = "item/{key}"
[detail.fields]
title = "$.title"
price = "$.price"
${expect && `[expect]\n${expect}\n`}`;

// Fills the store, and leaves one crawl running. Returns what stops all of it.
export async function fill(gleaner, folder, store) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  const file = (name, expect) => {
    const path = join(folder, `${name}.toml`);
    writeFileSync(path, siteFile(name, base, expect));
    return path;
  };
  const start = (path, ...more) => spawn(gleaner, ["crawl", path, "--store", store, "--progress", "off", "--robots", "off", ...more], { stdio: "ignore" });
  const crawl = (path, ...more) =>
    new Promise((resolve) => start(path, "--retries", "0", "--workers", "20", ...more).on("exit", resolve));
  const [books, films, tools, recipes, museums, maps, archive] = [
    file("books"), file("films", "fields = { price = 95 }"), file("tools"), file("recipes", "min_items = 150"),
    file("museums", 'fresh = "1s"'), file("maps"), file("archive"),
  ];
  for (let round = 0; round < 16; round++) {
    sites.books.at += round % 3 === 1 ? 11 : 3;
    sites.books.dearer = Math.floor(round / 2);
    sites.books.priced = round === 9 ? 8 : 10;
    await crawl(books, ...(round === 5 ? ["--limit", "40"] : []));
    if (round >= 4) {
      sites.films.priced = round > 13 ? 6 : 10;
      sites.recipes.at = round > 13 ? 52 : 180 + round;
      await crawl(films);
      await crawl(recipes);
    }
    if (round === 10) await crawl(museums);
    if (round > 10) {
      sites.tools.down = round > 13;
      sites.maps.broken = round > 14 ? 3 : 0;
      await crawl(tools);
      await crawl(maps);
    }
  }
  await crawl(maps, "--collection", "maps_of_old");
  const running = start(archive, "--workers", "6", "--rate", "25");
  return () => {
    running.kill("SIGKILL");
    server.close();
    server.closeAllConnections();
  };
}

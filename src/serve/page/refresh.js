// Keeps the page up to date while it is visible: fetches it again, and replaces the parts that
// changed. Without this script the page is the same, as of when it was loaded.
"use strict";

(() => {
  const EVERY_MS = 1000;
  const LONGEST_MS = 10000;

  // The parts of a page that can change: children of <main>, and what stands in the header.
  const parts = (page) => [...page.querySelectorAll("main > *, #seen")];

  // What a person did to a part: which details are open, how far tables are scrolled, the focus.
  const remember = (part) => ({
    open: [...part.querySelectorAll("details[open]")].map((it) => it.id),
    scrolled: [...part.querySelectorAll(".wide, pre")].map((it) => [it.scrollLeft, it.scrollTop]),
    focused: part.contains(document.activeElement) ? trace(part, document.activeElement) : null,
  });

  const restore = (part, { open, scrolled, focused }) => {
    open.map((id) => document.getElementById(id)).forEach((it) => it && (it.open = true));
    [...part.querySelectorAll(".wide, pre")].forEach((it, at) => {
      [it.scrollLeft, it.scrollTop] = scrolled[at] ?? [0, 0];
    });
    if (focused) follow(part, focused)?.focus({ preventScroll: true });
  };

  // The way from a part to an element in it: by its link, if it has one, else by its place.
  const trace = (part, element) => {
    const link = element.getAttribute("href");
    if (link) return { link };
    const way = [];
    for (let at = element; at !== part; at = at.parentElement) {
      way.unshift([...at.parentElement.children].indexOf(at));
    }
    return { way };
  };
  const follow = (part, { link, way }) =>
    link
      ? [...part.querySelectorAll("a")].find((it) => it.getAttribute("href") === link)
      : way.reduce((at, child) => at?.children[child], part);

  const isSelected = (part) => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && selection.containsNode(part, true);
  };

  // Open details are no change.
  const text = (part) => {
    const copy = part.cloneNode(true);
    copy.querySelectorAll("details").forEach((it) => it.removeAttribute("open"));
    return copy.outerHTML;
  };

  const show = (page) => {
    const [mine, theirs] = [parts(document), parts(page)];
    const name = (part) => part.id || part.tagName;
    const isAlike = mine.length === theirs.length && mine.every((it, at) => name(it) === name(theirs[at]));
    if (isAlike) {
      mine.forEach((part, at) => {
        if (text(part) === text(theirs[at]) || isSelected(part)) return;
        const memory = remember(part);
        const fresh = document.importNode(theirs[at], true);
        part.replaceWith(fresh);
        restore(fresh, memory);
      });
    } else {
      const main = document.getElementById("main");
      if (isSelected(main)) return;
      const memory = remember(main);
      main.replaceChildren(...document.importNode(page.getElementById("main"), true).childNodes);
      restore(main, memory);
      const [old, fresh] = [document.querySelector("header"), page.querySelector("header")];
      if (old && fresh && !old.contains(document.activeElement)) old.innerHTML = fresh.innerHTML;
    }
    if (document.title !== page.title) document.title = page.title;
  };

  const refresh = async () => {
    const signal = AbortSignal.timeout(LONGEST_MS);
    const answer = await fetch(location.href, { cache: "no-store", signal });
    const type = answer.headers.get("content-type") ?? "";
    if (!type.startsWith("text/html")) throw new Error(type);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  };

  const visible = () =>
    new Promise((resolve) => {
      if (!document.hidden) return resolve();
      document.addEventListener("visibilitychange", resolve, { once: true });
    });

  const run = async () => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      await visible();
      const lost = document.getElementById("lost");
      try {
        await refresh();
        if (!lost.hidden) lost.hidden = true;
      } catch {
        if (lost.hidden) lost.hidden = false;
      }
    }
  };

  run();
})();

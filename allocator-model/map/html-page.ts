/**
 * The map as one file for a browser: script, style and data are in it, and the browser is told to load nothing
 * else. What comes from a trace is in the data only, where nothing of it can be markup.
 */
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import type { PageData } from "./page-data.ts";
import type { PageHistory } from "./page-history.ts";

/** What makes the page work: `page/` as bundled. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
}

export function htmlPage(history: PageHistory, parts: PageParts): string {
  const script = inTag(parts.script, "script");
  const style = inTag(parts.style, "style");
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Page map</title>
<style>${style}</style>
</head>
<body>
${BODY}
<script type="application/json" id="data">${json(history)}</script>
<script>${script}</script>
</body>
</html>
`;
}

function json({ changes, ...history }: PageHistory): string {
  const data: PageData = { ...history, changes: deflateSync(changes).toString("base64") };
  // In JSON these stand in strings only: no "</script>", no "<!--".
  return JSON.stringify(data).replaceAll("<", "\\u003c");
}

/** Scripts and styles of ours have no end tag in them; a browser would take it for theirs. */
function inTag(text: string, tag: string): string {
  if (text.toLowerCase().includes(`</${tag}`)) throw new TypeError(`an end tag is in the ${tag}`);
  return text;
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

const BODY = `<header>
  <h1 id="name">Page map</h1>
  <p id="about"></p>
  <dl id="figures"></dl>
</header>
<main>
  <section id="map" aria-label="Pages of memory">
    <canvas id="grid" tabindex="0" role="application" aria-roledescription="page grid"
      aria-label="Pages of memory, in order of their physical address" aria-describedby="keys"></canvas>
  </section>
  <aside>
    <section aria-labelledby="owners-title">
      <h2 id="owners-title">Owners</h2>
      <ul id="owners"></ul>
    </section>
    <section id="details" aria-labelledby="details-title" aria-live="polite">
      <h2 id="details-title">Page</h2>
      <p class="hint">Point at a page, or click one to keep it.</p>
    </section>
  </aside>
</main>
<footer>
  <div id="transport">
    <button type="button" id="play" aria-pressed="false">Play</button>
    <output id="time" for="sample"></output>
    <span id="chart-key">footprint by owner, <span class="line"></span> requested</span>
    <div id="zoom" role="group" aria-label="Zoom">
      <button type="button" id="zoom-out" aria-label="Zoom out" title="Zoom out (-)">&minus;</button>
      <button type="button" id="zoom-in" aria-label="Zoom in" title="Zoom in (+)">+</button>
      <button type="button" id="zoom-fit" aria-label="Show all of memory" title="Show all of memory (0)">Fit</button>
    </div>
  </div>
  <div id="timeline">
    <div id="chart"></div>
    <input type="range" id="sample" min="0" value="0" step="1" aria-label="Time">
  </div>
  <p id="keys">Drag to pan, wheel or pinch to zoom, click to keep a page. Keys: arrows choose a page,
    <kbd>+</kbd> <kbd>-</kbd> zoom, <kbd>0</kbd> shows all, <kbd>Space</kbd> plays,
    <kbd>,</kbd> <kbd>.</kbd> step in time, <kbd>Esc</kbd> lets the page go.</p>
</footer>`;

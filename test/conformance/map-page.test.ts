/** The page that `windlass alloc map -o` writes, in a real browser: what is seen, and what the pointer and keys do. */
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import * as assert from "uvu/assert";
import { htmlPage } from "../../allocator-model/map/html-page.ts";
import {
  HistoryReader,
  HistoryWriter,
  peakSample,
} from "../../allocator-model/map/page-history.ts";
import { equalSteps, recordHistory } from "../../allocator-model/map/recording.ts";
import { type PageOwner, pageOwnerNames } from "../../allocator-model/page-owners.ts";
import { TraceBuilder } from "../../allocator-model/trace.ts";
import { decodeTrace, encodeTrace } from "../../allocator-model/trace-file.ts";
import { pageParts } from "../../host-tools/cli/map-page.ts";
import { BrowserRig, browserMissing } from "../support/browser.ts";
import { suite } from "../support/suite.ts";

const MAIN = resolve(import.meta.dirname, "../../host-tools/cli/main.ts");
const TSX = import.meta.resolve("tsx");
const PAGES = 4096;
const HOSTILE_NAME = `<img src=x onerror="document.title='no'"></script>`;

let rig: BrowserRig;
let stripes: string;

const test = suite("map page in a browser", {
  timeoutMs: 60_000,
  missing: browserMissing(),
  async setup() {
    rig = await BrowserRig.launch();
    stripes = await writeStripes();
  },
  async teardown() {
    await rig?.[Symbol.asyncDispose]();
  },
});

/** With the page of the four times. */
function withPage(name: string, picture: string, body: (page: Page) => Promise<void>): void {
  test(name, async () => {
    await rig.visit({ url: stripes, picture }, async (page) => {
      await isReady(page);
      await body(page);
    });
  });
}

/**
 * Four times. At the second, the peak, page n has the owner n / 16 modulo 8; at the third, all that were large are
 * free; at the first and the last nothing is used.
 */
function stripeCodes(sample: number): Uint8Array {
  return Uint8Array.from({ length: PAGES }, (_none, page) => {
    const code = Math.floor(page / 16) % 8;
    return sample === 1 ? code : sample === 2 && code !== 5 ? code : 0;
  });
}

async function writeStripes(): Promise<string> {
  const writer = new HistoryWriter(PAGES);
  for (const [sample, operations] of [0, 1000, 2000, 3000].entries()) {
    const codes = stripeCodes(sample);
    const footprintBytes = codes.filter((code) => code > 1).length * 4096;
    const usableBytes = footprintBytes * 0.75;
    const requestedBytes = footprintBytes / 2;
    writer.add(codes, { operations, footprintBytes, usableBytes, requestedBytes });
  }
  const history = writer.build({ name: HOSTILE_NAME, scheme: "proposal", operations: 3000 });
  const path = join(rig.folder, "stripes.html");
  await writeFile(path, htmlPage(history, await pageParts()));
  return pathToFileURL(path).href;
}

interface View {
  readonly columns: number;
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/** Two frames on, what was asked for is drawn. */
async function isDrawn(page: Page): Promise<void> {
  await page.evaluate("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))");
}

async function isReady(page: Page): Promise<void> {
  await page.waitForSelector("#grid[data-view]");
  await isDrawn(page);
}

async function viewOf(page: Page): Promise<View> {
  await isDrawn(page);
  const text = await page.getAttribute("#grid", "data-view");
  return JSON.parse(text ?? "") as View;
}

/** Turned over the place where the pointer is. The browser is told of it later than of other things. */
async function wheel(page: Page, turn: number): Promise<void> {
  const before = JSON.stringify(await page.getAttribute("#grid", "data-view"));
  await page.mouse.wheel(0, turn);
  await page.waitForFunction(`document.querySelector("#grid").dataset.view !== ${before}`);
}

/** A place in a cell: by default off its middle, where letters are, and its edge. In the window's coordinates. */
async function placeOf(page: Page, number: number, part = 0.2): Promise<{ x: number; y: number }> {
  const { columns, scale, left, top } = await viewOf(page);
  const box = await page.locator("#grid").boundingBox();
  if (!box) throw new Error("the grid is not seen");
  return {
    x: box.x + left + ((number % columns) + part) * scale,
    y: box.y + top + (Math.floor(number / columns) + part) * scale,
  };
}

/** As "#rrggbb": what is on the canvas. */
async function colourAt(page: Page, { x, y }: { x: number; y: number }): Promise<string> {
  const bytes: number[] = await page.evaluate(`(() => {
    const canvas = document.querySelector("canvas");
    const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const { left, top } = canvas.getBoundingClientRect();
    pixel.drawImage(canvas, ${Math.round(x)} - left, ${Math.round(y)} - top, 1, 1, 0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
  })()`);
  return `#${Buffer.from(bytes).toString("hex")}`;
}

async function colourOf(page: Page, owner: PageOwner): Promise<string> {
  const value: string = await page.evaluate(
    `getComputedStyle(document.documentElement).getPropertyValue("--owner-${owner}")`,
  );
  return value.trim();
}

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).textContent()) ?? "";
}

async function assertColours(page: Page, codes: Uint8Array, pages: readonly number[]) {
  for (const number of pages) {
    const owner = pageOwnerNames[codes[number] ?? 0] ?? "free";
    const found = await colourAt(page, await placeOf(page, number));
    assert.is(found, await colourOf(page, owner), `page ${number}, ${owner}`);
  }
}

/** Pages of an owner, as the legend has it. */
async function countOf(page: Page, owner: PageOwner): Promise<string> {
  const row = page.locator("#owners li", { has: page.getByText(owner, { exact: true }) });
  return (await row.locator(".pages").textContent()) ?? "";
}

async function setTime(page: Page, sample: number): Promise<void> {
  await page.locator("#sample").fill(String(sample));
  await isDrawn(page);
}

test("what the command writes shows the regions", async () => {
  const builder = new TraceBuilder();
  for (let id = 0; id < 200; id += 1) builder.malloc(id, [100, 2048, 4096, 20_000][id % 4] ?? 0);
  const trace = builder.build("regions");
  const input = join(rig.folder, "regions.wlat");
  const output = join(rig.folder, "regions.html");
  await writeFile(input, encodeTrace(trace));
  const words = ["--import", TSX, MAIN, "alloc", "map", input, "-o", output];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  assert.is(status, 0, stderr);
  assert.match(stderr, /^Wrote the map of regions\.wlat at 201 times/);

  const { history } = recordHistory(trace, { scheme: "proposal", at: [trace.length] });
  const { codes } = new HistoryReader(history);
  const url = pathToFileURL(output).href;
  await rig.visit({ url, picture: "regions" }, async (page) => {
    await isReady(page);
    assert.is(await textOf(page, "h1"), "regions.wlat");
    const owners = ["mempool", "half-page", "page", "large"] as const;
    const first = owners.map((owner) => codes.indexOf(pageOwnerNames.indexOf(owner)));
    assert.ok(first.every((number) => number >= 0));
    await assertColours(page, codes, first);
    for (const owner of owners) {
      const code = pageOwnerNames.indexOf(owner);
      const count = codes.filter((one) => one === code).length;
      assert.is(await countOf(page, owner), String(count));
      assert.is(await page.locator(`#chart polygon.owner-${owner}`).count(), 1);
    }
    const picture = await page.screenshot({ path: join(rig.folder, "regions.png") });
    assert.ok(picture.length > 10_000, `${picture.length} bytes`);
  });
});

withPage(
  "pages have their owners' colours, at the peak first, in light and dark",
  "colours",
  async (page) => {
    const numbers = [...Array(24).keys()].map((index) => index * 170 + 5);
    await assertColours(page, stripeCodes(1), numbers);
    const light = await colourOf(page, "free");
    await page.emulateMedia({ colorScheme: "dark" });
    await isDrawn(page);
    assert.is.not(await colourOf(page, "free"), light);
    await assertColours(page, stripeCodes(1), numbers);
  },
);

withPage("what a trace is called is text", "hostile-name", async (page) => {
  assert.is(await textOf(page, "h1"), HOSTILE_NAME);
  assert.is(await page.title(), `${HOSTILE_NAME}: page map`);
  assert.is(await page.locator("img").count(), 0);
});

withPage("a page under the pointer is explained, with all its addresses", "hover", async (page) => {
  const { x, y } = await placeOf(page, 1316, 0.5);
  await page.mouse.move(x, y);
  await isDrawn(page);
  const text = await textOf(page, "#details");
  assert.match(text, /^Page 1,316Owner/);
  assert.match(text, "operation 1 to 1,000");
  assert.match(text, "0x524000 to 0x524fff");
  for (const base of ["0xffff8", "0xffff9", "0xffffa", "0xffffb", "0xffffe"]) {
    assert.match(text, `${base}00000524000`);
  }
  assert.is(await textOf(page, "#details dd .swatch"), "m");
  assert.is(await textOf(page, "#details .own th"), "mempool");
  await page.mouse.move(5, 5);
  await isDrawn(page);
  assert.match(await textOf(page, "#details"), "Point at a page");
});

withPage("a page that is clicked stays, until it is let go", "click", async (page) => {
  const { x, y } = await placeOf(page, 100, 0.5);
  await page.mouse.click(x, y);
  await page.mouse.move(5, 5);
  await isDrawn(page);
  assert.is(await textOf(page, "#details h2"), "Page 100");
  await setTime(page, 3);
  assert.match(await textOf(page, "#details"), "operation 2,001 to 3,000");
  await page.locator("#grid").press("Escape");
  await isDrawn(page);
  assert.match(await textOf(page, "#details"), "Point at a page");
});

withPage(
  "the wheel zooms around the pointer, dragging pans, a button shows all again",
  "zoom",
  async (page) => {
    const fitted = await viewOf(page);
    const middle = await placeOf(page, 2000, 0.5);
    await page.mouse.move(middle.x, middle.y);
    await wheel(page, -500);
    const place = await placeOf(page, 2000, 0.5);
    await page.mouse.move(place.x, place.y);
    await wheel(page, -500);
    const zoomed = await viewOf(page);
    assert.ok(zoomed.scale > fitted.scale * 3, `${zoomed.scale}`);
    const after = await placeOf(page, 2000, 0.5);
    assert.ok(Math.hypot(after.x - place.x, after.y - place.y) < 1, "the page stays where it is");
    await assertColours(page, stripeCodes(1), [2000 - 1, 2000, 2000 + 1]);

    await page.mouse.down();
    await page.mouse.move(place.x - 60, place.y - 40, { steps: 4 });
    await page.mouse.up();
    const panned = await viewOf(page);
    assert.is(Math.round(panned.left - zoomed.left), -60);
    assert.is(Math.round(panned.top - zoomed.top), -40);
    assert.match(await textOf(page, "#details"), "Page 2,000");

    await page.getByRole("button", { name: "Show all" }).click();
    assert.equal(await viewOf(page), fitted);
  },
);

withPage("time changes counts, colours and figures", "time", async (page) => {
  assert.is(await textOf(page, "#time"), "operation 1,000 of 3,000");
  assert.is(await countOf(page, "large"), "512");
  await setTime(page, 2);
  assert.is(await textOf(page, "#time"), "operation 2,000 of 3,000");
  assert.is(await countOf(page, "large"), "0");
  assert.is(await countOf(page, "mempool"), "512");
  await assertColours(page, stripeCodes(2), [0, 40, 5 * 16, 6 * 16]);
  assert.match(await textOf(page, "#figures"), "Footprint10 MiB");

  const chart = await page.locator("#chart").boundingBox();
  if (!chart) throw new Error("the chart is not seen");
  await page.mouse.click(chart.x + chart.width - 15, chart.y + 40);
  await isDrawn(page);
  assert.is(await countOf(page, "mempool"), "0");
  assert.is(await page.locator("#sample").inputValue(), "3");
});

withPage("it plays to the end, and from the begin again", "play", async (page) => {
  await page.evaluate(`
    globalThis.times = [];
    const time = document.querySelector("#time");
    const note = () => times.push(time.textContent);
    new MutationObserver(note).observe(time, { childList: true });
  `);
  const play = page.getByRole("button", { name: "Play" });
  for (const expected of ["operation 1,000 of 3,000", "operation 0 of 3,000"]) {
    await page.evaluate("void times.splice(0)");
    await play.click();
    // It is "Pause" until the end.
    await play.waitFor();
    const times: string[] = await page.evaluate("times");
    assert.is(times[0], expected);
    assert.is(times.at(-1), "operation 3,000 of 3,000");
  }
});

withPage("all of it works with keys", "keys", async (page) => {
  const grid = page.locator("#grid");
  await grid.focus();
  await grid.press("ArrowRight");
  await isDrawn(page);
  const title = () => textOf(page, "#details h2");
  const first = await title();
  await grid.press("ArrowRight");
  await isDrawn(page);
  const number = (text: string) => Number(text.replaceAll(/\D/g, ""));
  assert.is(number(await title()), number(first) + 1);
  const { columns, scale } = await viewOf(page);
  await grid.press("ArrowDown");
  await isDrawn(page);
  assert.is(number(await title()), number(first) + 1 + columns);
  await grid.press("+");
  assert.ok((await viewOf(page)).scale > scale);
  await grid.press("0");
  assert.is((await viewOf(page)).scale, scale);
  await grid.press(".");
  await isDrawn(page);
  assert.is(await page.locator("#sample").inputValue(), "2");
  await grid.press(",");
  await isDrawn(page);
  assert.is(await page.locator("#sample").inputValue(), "1");
});

withPage("an owner in the legend sets all others back", "legend", async (page) => {
  const codes = stripeCodes(1);
  const [mempool, large] = [codes.indexOf(2), codes.indexOf(5)];
  const before = await colourAt(page, await placeOf(page, large));
  const button = page.getByRole("button", { name: "mempool" });
  await button.click();
  await isDrawn(page);
  assert.is(await button.getAttribute("aria-pressed"), "true");
  await assertColours(page, codes, [mempool]);
  assert.is.not(await colourAt(page, await placeOf(page, large)), before);
  await button.click();
  await isDrawn(page);
  assert.is(await colourAt(page, await placeOf(page, large)), before);
});

/** Of redis at its peak, with a half page explained. UPDATE_GENERATED=1 takes it anew. */
test("the picture of the model's README is there, and small", async () => {
  const target = resolve(import.meta.dirname, "../../allocator-model/map.png");
  if (process.env["UPDATE_GENERATED"]) {
    const name = "redis.wlat";
    const bytes = await readFile(
      resolve(import.meta.dirname, "../../allocator-model/traces", name),
    );
    const trace = decodeTrace(bytes, name);
    const at = equalSteps(trace.length, 200);
    const { history } = recordHistory(trace, { scheme: "proposal", at });
    const path = join(rig.folder, "readme.html");
    await writeFile(path, htmlPage(history, await pageParts()));
    await rig.visit({ url: pathToFileURL(path).href, picture: "readme" }, async (page) => {
      await isReady(page);
      const reader = new HistoryReader(history);
      reader.seek(peakSample(history));
      const halfPage = reader.codes.indexOf(pageOwnerNames.indexOf("half-page"), 1054);
      const { x, y } = await placeOf(page, halfPage, 0.5);
      await page.mouse.click(x, y);
      await page.mouse.move(5, 5);
      await isDrawn(page);
      await page.screenshot({ path: target });
    });
  }
  const picture = await readFile(target);
  assert.is(picture.toString("latin1", 1, 4), "PNG");
  assert.ok(picture.length < 200 * 1024, `${picture.length} bytes`);
});

test.run();

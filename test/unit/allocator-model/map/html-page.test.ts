import { createHash } from "node:crypto";
import { inflateSync } from "node:zlib";
import * as assert from "uvu/assert";
import { htmlPage } from "../../../../allocator-model/map/html-page.ts";
import { HistoryWriter } from "../../../../allocator-model/map/page-history.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("map as a page");

const PARTS = { script: "start();", style: "p { color: red }" };

function historyOf(name: string) {
  const writer = new HistoryWriter(4);
  const figures = { requestedBytes: 1, usableBytes: 8, footprintBytes: 4096 };
  writer.add(Uint8Array.of(2, 0, 0, 0), { operations: 1, ...figures });
  return writer.build({ name, scheme: "osv", operations: 1 });
}

function dataOf(page: string): Record<string, unknown> {
  const [, text = ""] =
    /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page) ?? [];
  return JSON.parse(text) as Record<string, unknown>;
}

test("has the whole history in it", () => {
  const { changes, ...history } = historyOf("server");
  const { changes: packed, ...data } = dataOf(htmlPage({ ...history, changes }, PARTS));
  assert.equal(data, JSON.parse(JSON.stringify(history)));
  assert.equal([...inflateSync(Buffer.from(String(packed), "base64"))], [...changes]);
});

test("a trace's name is data, whatever it is", () => {
  const name = `</script><script>alert("1")</script><!-- '"&\u2028`;
  const page = htmlPage(historyOf(name), PARTS);
  assert.is(dataOf(page)["name"], name);
  assert.is(page.match(/<script/g)?.length, 2);
  assert.is(page.match(/<\/script/g)?.length, 2);
  assert.not(page.includes("<!--"));
});

test("allows its own script and style, and nothing else", () => {
  const page = htmlPage(historyOf("server"), PARTS);
  const digest = (text: string) => createHash("sha256").update(text).digest("base64");
  assert.match(page, `script-src 'sha256-${digest(PARTS.script)}';`);
  assert.match(page, `style-src 'sha256-${digest(PARTS.style)}';`);
  assert.match(page, "default-src 'none';");
  assert.match(page, `<script>${PARTS.script}</script>`);
  assert.match(page, `<style>${PARTS.style}</style>`);
  assert.not(/https?:|src="|href=/.test(page));
});

test("refuses a script with an end tag in it", () => {
  const script = 'const text = "</SCRIPT>";';
  assert.throws(() => htmlPage(historyOf("x"), { ...PARTS, script }), TypeError);
});

test.run();

/** What registries and images say can neither forge a line of a message nor fill the screen. */
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { readDockerArchive } from "../../../image-builder/containers/docker-archive.ts";
import { readOciLayout } from "../../../image-builder/containers/oci-layout.ts";
import { ImageError } from "../../../image-builder/errors.ts";
import { quoted, shown } from "../../../image-builder/foreign-text.ts";
import { suite } from "../../support/suite.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { archiveOf } from "./containers/layer-fixture.ts";
import { type Changes, OCI, putBlob, writeLayoutWith } from "./containers/layout-fixture.ts";

const test = suite("foreign text");
const FORGED = `x\nnext: do this\u001b[2J\u202e${"long".repeat(5000)}`;

test("what cannot be seen is escaped, what is long is cut", () => {
  assert.is(quoted('a "b" \\ ü 日本 😀'), '"a \\"b\\" \\\\ ü 日本 😀"');
  assert.is(quoted("a\r\n\t\0\u001b[31m"), '"a\\r\\n\\t\\u0000\\u001b[31m"');
  assert.is(
    quoted("\u007f\u0085\u009b\u2028\u202e\ud800"),
    ['"\\u{7f}\\u{85}\\u{9b}\\u{2028}\\u{202e}\\ud800"'].join(""),
  );
  assert.is(quoted("a".repeat(200)), `"${"a".repeat(200)}"`);
  assert.is(quoted("a".repeat(201)), `"${"a".repeat(200)}..."`);
  assert.is(quoted(`${"a".repeat(199)}\n`), `"${"a".repeat(199)}..."`);
  assert.is(shown("abc\nd", 4), "abc...");
});

/** What is printed of an error: its message and its next step, each on one line. */
async function lines(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((cause) => cause);
  assert.instance(error, ImageError);
  const { message, facts } = error as ImageError;
  const text = `${message} | ${facts.next}`;
  assert.not.match(text, /[\p{Cc}\p{Cf}]/u);
  assert.ok(text.length < 1500, `${text.length} characters`);
  return text;
}

test("an OCI layout forges nothing", async () => {
  await using folder = await temporaryFolder();
  const platform = { os: "linux", architecture: FORGED };
  const other = await putBlob(folder.path, OCI("manifest"), {});
  const inner = await putBlob(folder.path, OCI("index"), { manifests: [{ ...other, platform }] });
  const named = { ...other, annotations: { "org.opencontainers.image.ref.name": FORGED } };
  const cases: readonly (readonly [Changes, RegExp])[] = [
    [{ index: { manifests: [inner] } }, /is for linux\/x\\nnext: do this/],
    [{ index: { manifests: [named, { ...named, digest: inner.digest }] } }, /colon: x\\nnext: do/],
    [{ index: FORGED }, /index\.json is no JSON/],
    [{ layout: { imageLayoutVersion: FORGED } }, /of version "x\\nnext: do/],
    [{ configDescriptor: { mediaType: FORGED } }, /of type "x\\nnext: do/],
  ];
  for (const [changes, expected] of cases) {
    await writeLayoutWith(folder.path, changes);
    assert.match(await lines(readOciLayout(folder.path)), expected);
  }
});

test("an archive of docker save forges nothing", async () => {
  await using folder = await temporaryFolder();
  const file = folder.file("image.tar");
  const entry = { Config: "config.json", RepoTags: [FORGED], Layers: [] };
  const refused = async (text: string): Promise<string> => {
    await writeFile(file, await archiveOf([{ name: "manifest.json", text }]));
    return await lines(readDockerArchive(file));
  };
  assert.match(await refused(JSON.stringify([entry, entry])), /behind a colon: x\\nnext: do this/);
  assert.match(await refused(JSON.stringify([{ ...entry, Config: FORGED }])), /"x\\nnext: do this/);
  assert.match(await refused(FORGED), /manifest\.json is no JSON/);
});

test.run();

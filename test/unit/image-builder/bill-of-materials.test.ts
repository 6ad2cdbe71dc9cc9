import * as assert from "uvu/assert";
import { billOfMaterials, type MaterialSources } from "../../../image-builder/bill-of-materials.ts";
import { suite } from "../../support/suite.ts";

const test = suite("bill of materials");

interface Document {
  readonly [key: string]: unknown;
  readonly serialNumber: string;
  readonly components: readonly {
    readonly name: string;
    readonly purl?: string;
    readonly licenses?: readonly unknown[];
    readonly hashes?: readonly unknown[];
  }[];
}

function documentOf(dependencies: readonly object[] = [], release = "6.1.0"): Document {
  const sources = {
    manifest: { name: "hello" },
    project: { dependencies },
    runtime: { version: "20.20.2", digest: "a".repeat(64) },
    runtimeEntries: ["/lib/libc.so.6", "/usr/local/bin/node", "/lib64/ld-linux-x86-64.so.2"].map(
      (path) => ({ kind: "symlink", path, target: "x" }),
    ),
    kernel: { release, digest: "b".repeat(64), source: "test" },
  };
  return billOfMaterials(sources as unknown as MaterialSources) as Document;
}

const library = (changes: object) => ({
  name: "x",
  version: "1.0.0",
  path: "/app/node_modules/x",
  ...changes,
});

test("kernel, runtime, agent, libraries and packages are named, in a fixed order", () => {
  const document = documentOf([library({})]);
  assert.is(document["bomFormat"], "CycloneDX");
  assert.is(document["specVersion"], "1.6");
  const names = document.components.map(({ name }) => name);
  const libraries = ["/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
  assert.equal(names, ["linux", "node", "windlass-agent", ...libraries, "x"]);
});

test("the serial number is a UUID of the content", () => {
  const { serialNumber } = documentOf();
  const pattern = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  assert.match(serialNumber, pattern);
  assert.is(documentOf().serialNumber, serialNumber);
  assert.is.not(documentOf([], "6.1.1").serialNumber, serialNumber);
});

test("packages have the addresses of the package-url specification", () => {
  const purlOf = (changes: object) => documentOf([library(changes)]).components.at(-1)?.purl;
  assert.is(purlOf({}), "pkg:npm/x@1.0.0");
  assert.is(purlOf({ name: "@scope/x" }), "pkg:npm/%40scope/x@1.0.0");
  assert.is(purlOf({ version: "1.0.0+build" }), "pkg:npm/x@1.0.0%2Bbuild");
});

test("integrity becomes a hash in hex, what is none is left out", () => {
  const hashesOf = (integrity: string) =>
    documentOf([library({ integrity })]).components.at(-1)?.hashes;
  const bytes = Buffer.from("0123456789abcdef".repeat(4));
  assert.equal(hashesOf(`sha512-${bytes.toString("base64")}`), [
    { alg: "SHA-512", content: bytes.toString("hex") },
  ]);
  assert.is(hashesOf("sha1-AAAA"), undefined);
  assert.is(hashesOf(""), undefined);
});

test("a licence is an SPDX expression, or else a name", () => {
  const licensesOf = (license: string) =>
    documentOf([library({ license })]).components.at(-1)?.licenses;
  for (const expression of [
    "MIT",
    "(MIT OR Apache-2.0)",
    "GPL-2.0-only WITH Classpath-exception-2.0",
  ]) {
    assert.equal(licensesOf(expression), [{ expression }]);
  }
  for (const name of [
    "SEE LICENSE IN LICENSE.md",
    "UNLICENSED",
    "Public Domain",
    "MIT, see file",
  ]) {
    assert.equal(licensesOf(name), [{ license: { name } }]);
  }
});

test.run();

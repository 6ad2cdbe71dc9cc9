/** Names of images in registries. */
import { writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import {
  findCredentials,
  removeCredentials,
  saveCredentials,
} from "../../../../image-builder/registry/credentials.ts";
import {
  isLoopback,
  namesRegistry,
  referenceText,
  registryHost,
  registryReference,
} from "../../../../image-builder/registry/reference.ts";
import { RegistryClient } from "../../../../image-builder/registry/registry-client.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("registry reference");
const me = { user: "me", password: "secret" };
const digest = `sha256:${"0".repeat(64)}`;

test("host, name, tag and digest are told apart", () => {
  const cases: readonly [string, object][] = [
    ["reg.example/shop", { host: "reg.example", repository: "shop", tag: "latest" }],
    ["localhost:5000/a/b:1", { host: "localhost:5000", repository: "a/b", tag: "1" }],
    ["localhost/a", { host: "localhost", repository: "a", tag: "latest" }],
    ["[::1]:5000/a:1", { host: "[::1]:5000", repository: "a", tag: "1" }],
    [`Reg.Example/a@${digest}`, { host: "reg.example", repository: "a", digest }],
    [`reg.example/a:1@${digest}`, { host: "reg.example", repository: "a", tag: "1", digest }],
  ];
  for (const [text, expected] of cases) {
    const reference = registryReference(text);
    assert.equal(reference, expected);
    assert.equal(registryReference(referenceText(reference)), reference);
  }
});

test("Docker Hub has several names, one for messages and one where it is spoken to", async () => {
  const nginx = { host: "docker.io", repository: "library/nginx" };
  const cases: readonly [string, object][] = [
    ["docker.io/library/nginx", { ...nginx, tag: "latest" }],
    ["docker.io/nginx:1", { ...nginx, tag: "1" }],
    [`Docker.io/nginx@${digest}`, { ...nginx, digest }],
    ["index.docker.io/nginx", { ...nginx, tag: "latest" }],
    ["registry-1.docker.io/library/nginx", { ...nginx, tag: "latest" }],
    ["docker.io/team/shop", { host: "docker.io", repository: "team/shop", tag: "latest" }],
    ["reg.example/nginx", { host: "reg.example", repository: "nginx", tag: "latest" }],
  ];
  for (const [text, expected] of cases) {
    const reference = registryReference(text);
    assert.equal(reference, expected);
    assert.equal(registryReference(referenceText(reference)), reference);
  }
  assert.is(referenceText(registryReference("docker.io/nginx")), "docker.io/library/nginx:latest");
  assert.is(registryHost("index.docker.io"), "docker.io");
  // A host in public is not looked for: its name says all.
  using client = new RegistryClient("docker.io", "");
  assert.is((await client.origin("test")).href, "https://registry-1.docker.io/");
  for (const text of ["docker.io/", "docker.io/Nginx", "docker.io//nginx", "docker.io/../nginx"]) {
    assert.throws(() => registryReference(text), /is no name/, text);
  }
});

test("a password of Docker Hub is found by each of its names", async () => {
  await using folder = await temporaryFolder();
  const environment = { WINDLASS_HOME: folder.path, DOCKER_CONFIG: folder.path };
  const found = (name: string) => findCredentials(registryHost(name), environment);
  const auth = Buffer.from("me:secret").toString("base64");
  for (const key of ["https://index.docker.io/v1/", "docker.io"]) {
    await writeFile(folder.file("config.json"), JSON.stringify({ auths: { [key]: { auth } } }));
    assert.equal(await found("docker.io"), { credentials: me }, key);
    assert.equal(await found("index.docker.io"), { credentials: me }, key);
  }
  const credHelpers = { "https://index.docker.io/v1/": "pass" };
  await writeFile(folder.file("config.json"), JSON.stringify({ credHelpers }));
  assert.equal(await found("docker.io"), { helper: "docker-credential-pass" });
  const own = { user: "own", password: "x" };
  await saveCredentials(registryHost("index.docker.io"), own, environment);
  assert.equal(await found("docker.io"), { credentials: own });
  assert.is(await removeCredentials(registryHost("docker.io"), environment), true);
});

test("what names no registry is an image of this machine", () => {
  for (const text of ["nginx", "shop:1", "team/shop:1", "", "/a"]) {
    assert.is(namesRegistry(text), false);
    assert.throws(() => registryReference(text), /names no registry/);
  }
});

test("what is no reference is refused", () => {
  const cases = [
    "reg.example/Shop",
    "reg.example/",
    "reg.example/a//b",
    "reg.example/../b",
    "reg.example/a:",
    "reg.example/a:-1",
    "reg.example/a@sha256:00",
    `reg.example/a@${digest}@${digest}`,
    `reg.example/${"a".repeat(300)}`,
  ];
  for (const text of cases) assert.throws(() => registryReference(text), /is no name/, text);
  for (const host of ["a b", "-a.example", "a:0", "a:99999", "user@a.example", "a/b", ""]) {
    assert.throws(() => registryHost(host), /is no host/, host);
  }
});

test("loopback is what never leaves this machine", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"]) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ["127.0.0.1.example", "localhost.example", "128.0.0.1", "[::2]"]) {
    assert.not(isLoopback(host), host);
  }
});

test.run();

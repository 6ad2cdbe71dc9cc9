/** Passwords of registries: kept for this user alone, Docker's read, helpers named; and what challenges say. */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import * as assert from "uvu/assert";
import { knownChallenge } from "../../../../image-builder/registry/challenge.ts";
import {
  credentialsPath,
  findCredentials,
  removeCredentials,
  saveCredentials,
} from "../../../../image-builder/registry/credentials.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("registry credentials");
const me = { user: "me", password: "a:b ü" };

test("what is saved is found, by this user alone, until it is forgotten", async () => {
  await using folder = await temporaryFolder();
  const environment = { WINDLASS_HOME: folder.path, DOCKER_CONFIG: folder.path };
  await saveCredentials("one.example", me, environment);
  await saveCredentials("two.example:5000", { user: "you", password: "x" }, environment);
  assert.equal(await findCredentials("one.example", environment), { credentials: me });
  assert.is((await stat(credentialsPath(environment))).mode & 0o777, 0o600);
  assert.is(await removeCredentials("one.example", environment), true);
  assert.is(await removeCredentials("one.example", environment), false);
  assert.equal(await findCredentials("one.example", environment), {});
  await removeCredentials("two.example:5000", environment);
  assert.equal(await readdir(folder.file("config")), ["registry-auth.lock"]);
});

test("Docker's file is read; its helper is named", async () => {
  await using folder = await temporaryFolder();
  const environment = { WINDLASS_HOME: folder.path, DOCKER_CONFIG: folder.path };
  const auth = Buffer.from("me:a:b ü").toString("base64");
  const auths = { "https://one.example/v1/": { auth }, "two.example": {} };
  const docker = { auths, credHelpers: { "two.example": "pass" } };
  await writeFile(folder.file("config.json"), JSON.stringify(docker));
  assert.equal(await findCredentials("one.example", environment), { credentials: me });
  const helper = "docker-credential-pass";
  assert.equal(await findCredentials("two.example", environment), { helper });
  assert.equal(await findCredentials("three.example", environment), {});
  await writeFile(folder.file("config.json"), "{");
  assert.equal(await findCredentials("one.example", environment), {});
});

test("a damaged file of ours is not overwritten", async () => {
  await using folder = await temporaryFolder();
  const environment = { WINDLASS_HOME: folder.path, DOCKER_CONFIG: folder.path };
  await mkdir(folder.file("config"));
  await writeFile(credentialsPath(environment), "{");
  const error = await saveCredentials("a.example", me, environment).catch((cause) => cause);
  assert.is(error.code, "WL_IMAGE_REGISTRY");
  assert.is(await readFile(credentialsPath(environment), "utf8"), "{");
});

test("a challenge is read, a token before a password", () => {
  const bearer = 'Basic realm="x", Bearer realm="https://t.example/a?b=\\"c\\"",service="s, t"';
  assert.equal(knownChallenge(bearer), {
    ...{ scheme: "bearer", realm: 'https://t.example/a?b="c"', service: "s, t" },
  });
  assert.equal(knownChallenge('Basic realm="x"'), { scheme: "basic" });
  assert.is(knownChallenge("Bearer"), undefined);
  assert.is(knownChallenge(undefined), undefined);
  assert.is(knownChallenge(`Negotiate, ${"a".repeat(9000)}`), undefined);
});

test.run();

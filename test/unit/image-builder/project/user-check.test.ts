/** The manifest's user has to be one of the image. */
import * as assert from "uvu/assert";
import type { ImageError } from "../../../../image-builder/errors.ts";
import { checkUser } from "../../../../image-builder/project/user-check.ts";
import type { TreeEntry } from "../../../../image-builder/rootfs/tree.ts";
import { suite } from "../../../support/suite.ts";
import { projectFolder } from "./project-folder.ts";

const test = suite("the manifest's user");

async function refusal(user: string, entries: readonly TreeEntry[] = []): Promise<ImageError> {
  return (await checkUser({ user, source: "/windlass.yaml" }, entries).catch(
    (error: unknown) => error,
  )) as ImageError;
}

test("names that every image has, and all numbers, are right", async () => {
  for (const user of ["0", "root", "node", "4711", "4711:4712", "nobody:nogroup"]) {
    assert.is(await refusal(user), undefined, user);
  }
});

test("another name is refused, with those that there are", async () => {
  const error = await refusal("bob");
  assert.is(error.message, 'There is no user "bob" in the image');
  assert.is(error.code, "WL_IMAGE_PROJECT_INVALID");
  assert.match(error.facts.next ?? "", "Name one of root, node, nobody, take a number");
  assert.is((await refusal("node:bobs")).message, 'There is no group "bobs" in the image');
});

test("the project's own /etc/passwd is what counts", async () => {
  await using folder = await projectFolder({ passwd: "bob:x:7:7::/:/bin/sh\n" });
  const entry: TreeEntry = {
    ...{ kind: "file", path: "/etc/passwd", mode: 0o644 },
    source: { kind: "path", path: `${folder.path}/passwd`, sizeBytes: 21 },
  };
  assert.is(await refusal("bob", [entry]), undefined);
  assert.match((await refusal("node", [entry])).facts.next ?? "", "Add it to the /etc/passwd");
});

test.run();

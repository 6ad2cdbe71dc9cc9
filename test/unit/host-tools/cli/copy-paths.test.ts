import * as assert from "uvu/assert";
import {
  type CopyQuestion,
  copyTarget,
  parseCopyEnd,
} from "../../../../host-tools/cli/copy-paths.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/copy-paths");

const guest = (instance: string, path: string) => ({ kind: "guest", instance, path });
const local = (path: string) => ({ kind: "local", path });

test("tells guests, this host and streams apart", () => {
  assert.equal(parseCopyEnd("web:/app"), guest("web", "/app"));
  assert.equal(parseCopyEnd("web:app"), guest("web", "/app"));
  assert.equal(parseCopyEnd("web:"), guest("web", "/"));
  assert.equal(parseCopyEnd("web:/a:b"), guest("web", "/a:b"));
  assert.equal(parseCopyEnd("./web:app"), local("./web:app"));
  assert.equal(parseCopyEnd("/a:b"), local("/a:b"));
  assert.equal(parseCopyEnd("app"), local("app"));
  assert.equal(parseCopyEnd("-"), { kind: "stream" });
});

const question = (changes: Partial<CopyQuestion>): CopyQuestion => ({
  sourcePath: "/src",
  sourceKind: "file",
  targetPath: "/dst",
  targetKind: "missing",
  targetParentKind: "directory",
  ...changes,
});

test("follows Docker's rules", () => {
  const cases: [Partial<CopyQuestion>, { folder: string; name: string }][] = [
    [{}, { folder: "/", name: "dst" }],
    [{ targetKind: "file" }, { folder: "/", name: "dst" }],
    [{ targetKind: "directory" }, { folder: "/dst", name: "src" }],
    [
      { targetKind: "directory", targetPath: "/dst/" },
      { folder: "/dst/", name: "src" },
    ],
    [{ sourceKind: "directory" }, { folder: "/", name: "dst" }],
    [
      { sourceKind: "directory", targetPath: "/a/dst/" },
      { folder: "/a", name: "dst" },
    ],
    [
      { sourceKind: "directory", targetKind: "directory" },
      { folder: "/dst", name: "src" },
    ],
    [
      { sourceKind: "directory", sourcePath: "/src/.", targetKind: "directory" },
      { folder: "/dst", name: "" },
    ],
    [
      { sourceKind: "directory", sourcePath: "/src/." },
      { folder: "/", name: "dst" },
    ],
    [
      { sourceKind: "directory", sourcePath: "src/", targetKind: "directory" },
      { folder: "/dst", name: "src" },
    ],
    [
      { sourceKind: "symlink", targetKind: "directory" },
      { folder: "/dst", name: "src" },
    ],
    [{ targetPath: "dst" }, { folder: ".", name: "dst" }],
  ];
  for (const [changes, target] of cases) {
    assert.equal(copyTarget(question(changes)), target, JSON.stringify(changes));
  }
});

test("refuses what cannot be", () => {
  const cases: [Partial<CopyQuestion>, string][] = [
    [{ sourceKind: "missing" }, "no file or folder"],
    [{ sourcePath: "/src/" }, "not a folder"],
    [{ sourceKind: "directory", targetKind: "file" }, "over the file"],
    [{ targetKind: "file", targetPath: "/dst/" }, "not a folder"],
    [{ targetPath: "/dst/" }, 'no folder "/dst/"'],
    [{ targetPath: "/a/b", targetParentKind: "missing" }, 'no folder "/a"'],
    [{ targetPath: "/a/b", targetParentKind: "file" }, 'no folder "/a"'],
  ];
  for (const [changes, words] of cases) {
    assert.throws(() => copyTarget(question(changes)), words, JSON.stringify(changes));
  }
});

test.run();

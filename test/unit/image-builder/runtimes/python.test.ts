/** What of a Python project goes into an image, as far as its own files tell. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { parseToml } from "../../../../image-builder/manifest/toml-document.ts";
import {
  environmentFiles,
  findEnvironment,
} from "../../../../image-builder/runtimes/python-environment.ts";
import { readPythonProject } from "../../../../image-builder/runtimes/python-project.ts";
import { parsePythonRange } from "../../../../image-builder/runtimes/python-version.ts";
import { lockedGems } from "../../../../image-builder/runtimes/ruby-gemfile.ts";
import { parseVersion, satisfies } from "../../../../image-builder/runtimes/semver-range.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("python projects");

async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "windlass-python-"));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

test("ranges of PEP 440", () => {
  const fits = (range: string, version: string): boolean | undefined => {
    const [parsed, of] = [parsePythonRange(range), parseVersion(version)];
    return parsed && of && satisfies(of, parsed);
  };
  assert.is(fits(">=3.9,<4", "3.11.2"), true);
  assert.is(fits(">=3.9, !=3.10.1, <3.11", "3.11.2"), false);
  assert.is(fits("~=3.10", "3.11.2"), true);
  assert.is(fits("~=3.10.4", "3.11.2"), false);
  assert.is(fits("==3.11.*", "3.11.2"), true);
  assert.is(fits("3.11", "3.12.0"), false);
  assert.is(fits("newest", "3.12.0"), undefined);
});

test("TOML as pyproject.toml has it", () => {
  const toml = parseToml(
    '# x\n[project]\nname = "a" # b\ndependencies = [\n  "one>=1", # c\n  \'two\',\n]\n' +
      '[project.scripts]\nrun = "a.b:main"\n"odd name".x = """\nl1\\\n   l2"""\n[[tool.list]]\nn = 1\n[[tool.list]]\nn = { m = true, k = [1, 2] }\n',
  );
  assert.equal(JSON.parse(JSON.stringify(toml)), {
    project: {
      name: "a",
      dependencies: ["one>=1", "two"],
      scripts: { run: "a.b:main", "odd name": { x: "l1l2" } },
    },
    tool: { list: [{ n: "1" }, { n: { m: "true", k: ["1", "2"] } }] },
  });
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
  parseToml("[__proto__]\npolluted = 1");
  assert.is(({} as Record<string, unknown>)["polluted"], undefined);
  for (const bad of [
    "a",
    "a = ",
    "[x",
    'a = "b',
    "a = [1",
    "a = 1 2",
    "a = 1\n[a.b]",
    `a = ${"[".repeat(5000)}`,
  ]) {
    assert.throws(() => parseToml(bad), /^line \d+: /);
  }
});

test("requirements, with files that name each other", async () => {
  const folder = await folderOf({
    "requirements.txt": "-r more.txt\n--index-url x\nflask >= 2 # web\n\n-e .\n",
    "more.txt": "-r requirements.txt\n-r ../../etc/passwd\njinja2==3.1 \\\n  --hash=sha256:00\n",
    "pyproject.toml": '[project]\nrequires-python = ">=3.9"\ndependencies = ["click"]',
  });
  try {
    const project = readPythonProject(folder);
    assert.equal(project.requirements, ["flask >= 2", "jinja2==3.1", "click"]);
    assert.is(project.range, ">=3.9");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a virtual environment is moved to /app", async () => {
  const folder = await folderOf({
    ".venv/pyvenv.cfg": "home = /usr/bin\nversion = 3.11.2\n",
    ".venv/bin/activate": "",
    ".venv/lib/python3.11/site-packages/mine.pth": "",
    ".venv/lib/python3.11/site-packages/pip/__init__.py": "",
    ".venv/lib/python3.11/site-packages/flask/__init__.py": "",
    ".venv/lib/python3.11/site-packages/flask/__pycache__/x.pyc": "",
  });
  const packages = join(folder, ".venv/lib/python3.11/site-packages");
  await writeFile(join(packages, "mine.pth"), `${folder}/src\n${folder}-other\n`);
  await writeFile(join(folder, ".venv/bin/flask"), `#!${folder}/.venv/bin/python3\nimport flask\n`);
  await symlink("/usr/bin/python3", join(folder, ".venv/bin/python3"));
  try {
    const environment = findEnvironment(folder);
    assert.ok(environment);
    if (!environment) return;
    const guestPython = "/usr/bin/python3.11";
    const options = { root: folder, guestPython, signal: undefined };
    const { entries } = await environmentFiles(environment, options);
    const textOf = (path: string): string | undefined => {
      const entry = entries.find((one) => one.path === path);
      const bytes = entry?.kind === "file" && entry.source.kind === "bytes" && entry.source.bytes;
      return bytes ? Buffer.from(bytes).toString() : undefined;
    };
    const place = "/app/.venv/lib/python3.11/site-packages";
    assert.is(textOf("/app/.venv/bin/flask"), "#!/app/.venv/bin/python\nimport flask\n");
    assert.is(textOf(`${place}/mine.pth`), `/app/src\n${folder}-other\n`);
    assert.match(textOf("/app/.venv/pyvenv.cfg") ?? "", /^home = \/usr\/bin\n/);
    const paths = entries.map(({ path }) => path);
    assert.ok(paths.includes(`${place}/flask/__init__.py`));
    assert.not(paths.some((path) => /pip|pycache|activate/.test(path)));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an environment whose Python is gone says so", async () => {
  const folder = await folderOf({
    "venv/pyvenv.cfg": "home = /nowhere\nversion = 3.11.2\n",
    "venv/lib/python3.11/site-packages/x.py": "",
  });
  try {
    findEnvironment(folder);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, ImageError);
    assert.match((error as ImageError).message, /not there any more: \/nowhere$/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("gems of a lock file", () => {
  const lock =
    "GEM\n  specs:\n    nokogiri (1.15.2-x86_64-linux)\n      racc (~> 1.4)\n    rack (2.2.7)\n\nPLATFORMS\n  ruby\n";
  assert.equal(lockedGems(lock), [
    ["nokogiri", "1.15.2"],
    ["rack", "2.2.7"],
  ]);
});

test.run();

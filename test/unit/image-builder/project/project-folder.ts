/** Project folders for tests: made in a temporary place, removed with `await using`. */
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A file's text, or a value written as JSON, or a link, or a file with a mode. */
export type Content =
  | string
  | { readonly json: unknown }
  | { readonly link: string }
  | { readonly text: string; readonly mode: number };

export interface ProjectFolder extends AsyncDisposable {
  /** Real path. */
  readonly path: string;
  add(files: Readonly<Record<string, Content>>): Promise<void>;
}

export async function projectFolder(
  files: Readonly<Record<string, Content>> = {},
): Promise<ProjectFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "windlass-project-")));
  const add = async (more: Readonly<Record<string, Content>>): Promise<void> => {
    for (const [name, content] of Object.entries(more)) await write(join(path, name), content);
  };
  await add(files);
  return {
    path,
    add,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function write(path: string, content: Content): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (typeof content === "string") await writeFile(path, content);
  else if ("json" in content) await writeFile(path, JSON.stringify(content.json, null, 2));
  else if ("link" in content) await symlink(content.link, path);
  else {
    await writeFile(path, content.text);
    await chmod(path, content.mode);
  }
}

/** package.json and index.js of an installed package. */
export function installed(
  folder: string,
  json: { readonly name: string; readonly version?: string } & Readonly<Record<string, unknown>>,
): Record<string, Content> {
  return {
    [`${folder}/package.json`]: { json: { version: "1.0.0", ...json } },
    [`${folder}/index.js`]: "",
  };
}

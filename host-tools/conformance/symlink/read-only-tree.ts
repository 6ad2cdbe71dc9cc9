/** What the read-only file system of the suite holds: links of every kind, for `rules/read-only.ts`. */
import type { TreeEntry } from "../../../image-builder/rootfs/tree.ts";
import { MAX_LINKS } from "./flags.ts";

export function readOnlyTree(): readonly TreeEntry[] {
  const link = (path: string, target: string): TreeEntry => ({ kind: "symlink", path, target });
  const file = (path: string, text: string): TreeEntry => {
    return { kind: "file", path, mode: 0o644, source: { kind: "bytes", bytes: Buffer.from(text) } };
  };
  const chain = Array.from({ length: MAX_LINKS + 1 }, (_, index) =>
    link(`/c${index + 1}`, `c${index}`),
  );
  return [
    ...[file("/file", "content"), file("/dir/inner", "inside"), file("/dir/deep/er", "deep")],
    ...[file("/c0", "end"), ...chain],
    ...[link("/l", "file"), link("/d", "dir"), link("/dangling", "nowhere")],
    ...[link("/self", "self"), link("/one", "two"), link("/two", "one")],
    ...[link("/dir/up", "../file"), link("/dir/deep/far", "../../d/inner"), link("/dd", "d/deep")],
    ...[link("/absolute", "/"), link("/here", "."), link("/dots", "dir/..")],
    ...[link("/umlaut-\u00fc", "\u00fc\n"), link("/short", "x"), link("/slashed", "dir//")],
    ...[1, 59, 60, 1023, 2048, 4094, 4095].map((length) => link(`/t${length}`, "t".repeat(length))),
  ];
}

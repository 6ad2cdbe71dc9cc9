/** YAML 1.2 with positions. Loaded only when a project holds a YAML file. */
import { isAlias, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { ImageError } from "../errors.ts";
import type { DocumentPath, Position, PositionedDocument } from "./positioned-document.ts";

/** Aliases that one file may expand to; a manifest needs none, so this bounds alias bombs. */
const MAX_ALIAS_COUNT = 64;

/** @throws {ImageError} with line and column when the text is not one valid YAML document */
export function parseYamlDocument(file: string, text: string): PositionedDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: "1.2",
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const fault = document.errors[0];
  if (fault) {
    throw new ImageError(
      "WL_IMAGE_MANIFEST_INVALID",
      `Cannot read ${file}: the YAML is broken: ${fault.message}`,
      { file, ...place(fault.pos[0]), next: "Correct the file" },
      fault,
    );
  }
  let value: unknown;
  try {
    // A file of nothing but comments says nothing.
    value = document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }) ?? {};
  } catch (cause) {
    throw new ImageError(
      "WL_IMAGE_MANIFEST_INVALID",
      `Cannot read ${file}: its aliases cannot be expanded: ${(cause as Error).message}`,
      { file, next: "Write the values out instead of using aliases" },
      cause,
    );
  }

  /** The key and value nodes at a path; aliases are followed. */
  const nodesAt = (path: DocumentPath): { key?: unknown; value: unknown } | undefined => {
    let key: unknown;
    let node: unknown = document.contents;
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(document);
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
        );
        if (!pair) return undefined;
        key = pair.key;
        node = pair.value;
      } else if (isSeq(node) && typeof part === "number") {
        key = undefined;
        node = node.items[part];
      } else {
        return undefined;
      }
    }
    return { key, value: node };
  };

  return {
    file,
    value,
    position(path, part) {
      const found = nodesAt(path);
      if (!found) return undefined;
      const candidates = part === "key" ? [found.key, found.value] : [found.value, found.key];
      for (const node of candidates) {
        if (isNode(node) && node.range) return place(node.range[0]);
      }
      return undefined;
    },
    written(path) {
      const node = nodesAt(path)?.value;
      return isScalar(node) && typeof node.source === "string" ? node.source : undefined;
    },
  };
}

/** A parsed configuration file that can say where each of its keys and values stands. */
import { ImageError, type ImageErrorFacts } from "../errors.ts";
import { scanJson } from "./json-text.ts";

/** 1-based, in characters as editors count them. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export type DocumentPath = readonly (string | number)[];

export interface PositionedDocument {
  readonly file: string;
  readonly value: unknown;
  /** Where the key (of a member) or the value stands, if the format can tell. */
  position(path: DocumentPath, part: "key" | "value"): Position | undefined;
  /** A scalar as it was written, so that 1.10 and 0644 survive being taken as text. */
  written(path: DocumentPath): string | undefined;
}

/** An error about one place of a document. */
export function documentError(
  document: Pick<PositionedDocument, "file" | "position">,
  path: DocumentPath,
  message: string,
  next = "Correct it",
  part: "key" | "value" = "value",
): ImageError {
  const facts: ImageErrorFacts = {
    file: document.file,
    ...document.position(path, part),
    next,
  };
  return new ImageError("WL_IMAGE_MANIFEST_INVALID", message, facts);
}

/** @throws {ImageError} with line and column when the text is not strict JSON */
export function parseJsonDocument(file: string, source: string): PositionedDocument {
  const text = source.replace(/^\uFEFF/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const { fault } = scanJson(text);
    const found = fault && fault.offset < text.length ? text.charAt(fault.offset) : "the end";
    const what = fault
      ? `expected ${fault.expected}, found ${found === "the end" ? found : JSON.stringify(found)}`
      : String(cause);
    throw new ImageError(
      "WL_IMAGE_MANIFEST_INVALID",
      `Cannot read ${file}: the JSON is broken: ${what}`,
      { file, ...(fault ? positionAt(text, fault.offset) : {}), next: "Correct the file" },
      cause,
    );
  }
  let places: ReturnType<typeof scanJson>["places"] | undefined;
  return {
    file,
    value,
    position(path, part) {
      places ??= scanJson(text).places;
      const place = places.get(JSON.stringify(path));
      if (!place) return undefined;
      return positionAt(text, part === "key" ? (place.key ?? place.value) : place.value);
    },
    written: () => undefined,
  };
}

/** Counts lines and columns up to `offset`. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - (before.lastIndexOf("\n") + 1) + 1 };
}

/** Builds an image and shows its progress; shared by `build` and `run DIR`. */
import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import {
  type BuildProgress,
  type BuildResult,
  type BuildStep,
  build,
} from "../../image-builder/build-image.ts";
import { CommandLineError, splitCommandLine } from "../../image-builder/manifest/command-line.ts";
import { keepsPath } from "../../image-builder/manifest/executable-manifest.ts";
import { HostError } from "../errors.ts";
import type { Output } from "./output.ts";
import { printableLine } from "./printable-text.ts";
import { bytesText, elapsedText } from "./quantity-text.ts";

export interface ProjectBuild {
  readonly folder: string;
  /** Absolute path of an executable that is built in place of the folder. */
  readonly file?: string | undefined;
  readonly name?: string | undefined;
  readonly kernel?: string | undefined;
  /** Command lines that are run first, to see which files they open. */
  readonly trace?: readonly string[] | undefined;
  readonly output: Output;
  /** No progress, no warnings. */
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** @throws {HostError} WL_USAGE */
function commandWords(line: string): string[] {
  try {
    const words = splitCommandLine(line);
    if (words.length > 0) return words;
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
  }
  throw new HostError("WL_USAGE", `--trace takes a command line, not ${JSON.stringify(line)}`, {
    next: "Write --trace './program --option'; a shell's operators are not understood",
  });
}

/**
 * What an operand names: a folder, or an executable, which is a project of its own. Links are kept.
 *
 * @returns undefined when there is neither
 */
export async function projectAt(
  path: string,
): Promise<{ folder: string; file?: string } | undefined> {
  const absolute = resolve(path);
  const found = await stat(absolute).catch(() => undefined);
  if (found?.isDirectory()) return { folder: absolute };
  if (!found?.isFile()) return undefined;
  return { folder: keepsPath(absolute) ? process.cwd() : dirname(absolute), file: absolute };
}

/** @throws {ImageError}; or the signal's reason */
export async function buildProject(request: ProjectBuild): Promise<BuildResult> {
  const { folder, file, name, kernel, trace = [], output, quiet, signal } = request;
  const onStep = (step: BuildStep): void => output.draft(`${step.padEnd(8)} ...`);
  const onProgress = (progress: BuildProgress): void => output.note(progressLine(progress));
  const result = await build({
    folder,
    file,
    name,
    kernel,
    trace: trace.map(commandWords),
    signal,
    ...(quiet ? {} : { onStep, onProgress }),
  });
  if (quiet) return result;
  for (const warning of result.warnings) output.note(`warning: ${printableLine(warning)}`);
  return result;
}

/** "program   8f1c2a9d0e7b   13.6 KiB   45 ms" */
export function progressLine(progress: BuildProgress): string {
  const { step, detail, sizeBytes, durationMs, cached } = progress;
  const size = sizeBytes === undefined ? "" : `, ${bytesText(sizeBytes)}`;
  const how = cached ? "unchanged" : elapsedText(durationMs);
  return `${step.padEnd(8)} ${printableLine(detail)}${size} (${how})`;
}

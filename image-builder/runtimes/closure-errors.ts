/** What is said when programs and libraries do not fit together: what is missing, for whom, what to do. */
import { basename } from "node:path/posix";
import { ImageError } from "../errors.ts";
import { debianPackageOf } from "./debian-package.ts";
import { invalidBinary } from "./elf-header.ts";
import type { LoadedFile } from "./library-search.ts";

/** @param unusable why the one that was found is not the one */
export function missingLibrary(
  name: string,
  file: LoadedFile,
  unusable: ImageError | undefined,
): ImageError {
  const chain: string[] = [];
  for (let from: LoadedFile | undefined = file; from; from = from.loader) chain.push(from.hostPath);
  const neededBy = chain.map((path) => JSON.stringify(path)).join(", loaded by ");
  const found = unusable ? `; the one found does not fit: ${unusable.message}` : "";
  return new ImageError(
    "WL_IMAGE_BINARY_INVALID",
    `Cannot find library ${JSON.stringify(name)}, needed by ${neededBy}${found}`,
    { file: file.hostPath, next: nextStepFor(name) },
    unusable,
  );
}

/** @param version for example "GLIBC_2.38" */
export function missingVersion(
  file: LoadedFile,
  version: string,
  library: string,
  provider: LoadedFile,
): ImageError {
  const newest = newestLike(version, provider.elf.versionsDefined);
  const ships = newest === undefined ? "does not have" : `has up to ${newest}`;
  return invalidBinary(
    file.hostPath,
    `it needs ${version} of ${library}, and the image ships ${provider.hostPath}, which ${ships}`,
    "It was built on a newer system: build it here (an addon: npm rebuild --build-from-source)",
  );
}

export function missingInterpreter(interpreter: string, neededBy: string): ImageError {
  const why = `its dynamic linker ${JSON.stringify(interpreter)} is not usable on this machine`;
  return invalidBinary(neededBy, why, nextStepFor(interpreter));
}

export function twoLibraries(guestPath: string, one: string, other: string): ImageError {
  return new ImageError(
    "WL_IMAGE_BINARY_INVALID",
    `Cannot put two libraries at ${guestPath}: ${JSON.stringify(one)} and ${JSON.stringify(other)}`,
    { file: other, next: "Make the programs use one copy of the library" },
  );
}

function nextStepFor(library: string): string {
  if (library.includes("/") && !library.startsWith("/")) {
    return "The path is relative to wherever the program is started: give the library a name (-Wl,-soname), and link again";
  }
  if (library.includes("musl")) {
    return "The file was built for musl (Alpine Linux): install the package musl, or a build for glibc";
  }
  const name = basename(library);
  const guess = debianPackageOf(name);
  return `Install the Debian package that holds it, probably ${guess} (apt-get install ${guess}), or search with: apt-file search ${name}`;
}

/** "GLIBC_2.36" for "GLIBC_2.38"; undefined when the library has no versions of that family. */
function newestLike(version: string, defined: readonly string[]): string | undefined {
  const family = version.slice(0, version.lastIndexOf("_") + 1);
  return defined
    .filter((one) => one.startsWith(family) && /^[0-9.]+$/.test(one.slice(family.length)))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .at(-1);
}

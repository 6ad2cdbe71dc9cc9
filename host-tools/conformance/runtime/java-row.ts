/** Java: this host's, linked with the modules that the program uses. */
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  findJava,
  JAVA_GUEST_HOME,
  javaEntries,
  linkedJava,
} from "../../../image-builder/runtimes/java-home.ts";
import { windlassFolders } from "../../../image-builder/store/folders.ts";
import { buildProgram } from "./program-build.ts";
import { programRow } from "./program-row.ts";
import { programSource } from "./program-sources.ts";
import { libraryEnv, putEntries, putLibraries } from "./row-files.ts";

const PACKAGES = ["openjdk-17-jdk-headless"];
/** As jdeps says, and those that are found by name: TLS with elliptic curves, the names of servers. */
const MODULES = [
  ...["java.base", "java.naming", "jdk.crypto.ec", "jdk.httpserver"],
  ...["jdk.naming.dns", "jdk.unsupported"],
];
/** The same on any machine: its size and CPUs choose neither the collector nor the heap's limit. */
const FLAGS = [
  ...["-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:-UseContainerSupport", "-Xmx256m"],
  // Standard output is the verdicts'.
  "-XX:+DisplayVMOutputToStderr",
];

export const javaRow = programRow({
  id: "java",
  title: "Java",
  async build({ files, signal }) {
    const home = findJava();
    if (!home?.hasCompiler) return { kind: "missing", what: "javac", packages: PACKAGES };
    if (!home.hasJlink) return { kind: "missing", what: "jlink", packages: PACKAGES };
    const classes = join(files, "classes");
    await mkdir(classes);
    // Signals and their like are of no standard, which javac warns of.
    const flags = ["-XDignore.symbol.file", "-encoding", "UTF-8", "-d", classes];
    const argv = [join(home.path, "bin/javac"), ...flags, programSource("Program.java")];
    const missing = await buildProgram({ argv, folder: files, packages: PACKAGES }, { signal });
    if (missing) return missing;
    const cacheDirectory = windlassFolders().cache;
    const linked = await linkedJava({ home, modules: MODULES, cacheDirectory, signal });
    const entries = javaEntries(linked, home);
    await putEntries(entries, { from: JAVA_GUEST_HOME, folder: join(files, "java") });
    const binaries = entries.flatMap(({ mode, source }) =>
      mode === 0o755 && source.kind === "path" ? [source.path] : [],
    );
    await putLibraries(binaries, files, new Set(binaries.map((path) => basename(path))));
    const program = ["-cp", "classes", "Program"];
    return {
      argv: (place) => [`${place}/java/bin/java`, ...FLAGS, ...program],
      env: libraryEnv,
    };
  },
});

/**
 * `npm run demo` and `npm test` as the first command after `git clone`: installs what is missing, then
 * runs the command. Plain JavaScript without dependencies, because there are none yet. A second run
 * finds everything in place, does no set-up work and needs no network.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { availableParallelism, homedir } from "node:os";
import { delimiter, join } from "node:path";

const NODE_MAJOR_MIN = 20;
const root = import.meta.dirname;
const cli = join(root, "dist/host-tools/cli/main.js");
const buildStamp = join(root, "dist/.built");
const tsx = join(root, "node_modules/tsx/dist/cli.mjs");

/** Of Debian, on the one architecture that there is. */
const LIBRARIES = "/usr/lib/x86_64-linux-gnu";

/** A program or file, the Debian package that has it, and whether only the tests need it. */
const PROGRAMS = [
  { program: "qemu-system-x86_64", package: "qemu-system-x86" },
  { program: "qemu-img", package: "qemu-utils" },
  { program: "flock", package: "util-linux" },
  { program: "fsck.erofs", package: "erofs-utils", testsOnly: true },
  { program: "readelf", package: "binutils", testsOnly: true },
  { program: "cpio", package: "cpio", testsOnly: true },
  { program: "lz4", package: "lz4", testsOnly: true },
  { program: "python3", package: "python3", testsOnly: true },
  { file: "/usr/lib/python3/dist-packages/flask", package: "python3-flask", testsOnly: true },
  { program: "ruby", package: "ruby", testsOnly: true },
  { program: "curl", package: "curl", testsOnly: true },
  { program: "git", package: "git", testsOnly: true },
  // Programs that run unmodified in a guest, and what compiles and traces others.
  { program: "openssl", package: "openssl", testsOnly: true },
  { program: "json_pp", package: "perl", testsOnly: true },
  { program: "redis-server", package: "redis-server", testsOnly: true },
  { program: "sqlite3", package: "sqlite3", testsOnly: true },
  { program: "gcc", package: "gcc", testsOnly: true },
  { program: "musl-gcc", package: "musl-tools", testsOnly: true },
  { program: "strace", package: "strace", testsOnly: true },
  // The completion scripts are read by the shells they are for.
  { program: "zsh", package: "zsh", testsOnly: true },
  { program: "fish", package: "fish", testsOnly: true },
  // The page of "windlass alloc map" is tested in a browser.
  { program: "chromium", package: "chromium", testsOnly: true },
  { program: "ltrace", package: "ltrace", testsOnly: true },
  // examples/native-addon compiles where no prebuilt addon can be had.
  { program: "g++", package: "g++", testsOnly: true },
  { program: "make", package: "make", testsOnly: true },
  // Projects in Go and Java are built; in Rust where there is a cargo.
  { program: "go", package: "golang-go", testsOnly: true },
  { program: "jlink", package: "openjdk-17-jdk-headless", testsOnly: true },
  // "windlass kernel build" compiles a kernel.
  { program: "flex", package: "flex", testsOnly: true },
  { program: "bison", package: "bison", testsOnly: true },
  { program: "bc", package: "bc", testsOnly: true },
  { program: "xz", package: "xz-utils", testsOnly: true },
  { file: "/usr/include/gelf.h", package: "libelf-dev", testsOnly: true },
  // A registry on loopback, for pushing and pulling.
  { program: "docker-registry", package: "docker-registry", testsOnly: true },
  // Copies and unpacks container images; ours are compared with theirs.
  { program: "skopeo", package: "skopeo", testsOnly: true },
  { program: "umoci", package: "umoci", testsOnly: true },
  // Static: one that is not has the same name.
  { file: "/var/lib/dpkg/info/busybox-static.list", package: "busybox-static", testsOnly: true },
  { program: "musl-gcc", package: "musl-tools", testsOnly: true },
  // The allocators that the model is compared with.
  { file: `${LIBRARIES}/libjemalloc.so.2`, package: "libjemalloc2", testsOnly: true },
  {
    file: `${LIBRARIES}/libtcmalloc_minimal.so.4`,
    package: "libtcmalloc-minimal4",
    testsOnly: true,
  },
  { file: `${LIBRARIES}/libmimalloc.so.2`, package: "libmimalloc2.0", testsOnly: true },
];

const FOLDERS = ["unit", "conformance", "integration", "end-to-end"];

/** Commands that need nothing but Node once the set-up is done. */
const COMMANDS = {
  demo: [tsx, "test/end-to-end/demo.ts"],
  // An emulated machine keeps a core busy.
  test: [
    tsx,
    "test/support/run.ts",
    "--jobs",
    String(Math.min(availableParallelism(), 8)),
    ...FOLDERS,
  ],
};

const command = process.argv[2] ?? "";
const words = COMMANDS[command];
if (!words) stop(`usage: node bootstrap.js ${Object.keys(COMMANDS).join("|")}`, 2);
checkNode();
installNodePackages();
installDebianPackages();
buildWindlass();
addKernel();
// The tests fetch what they need once: the source of a kernel.
process.exit(
  run(process.execPath, [...words, ...process.argv.slice(3)], { WINDLASS_TEST_NETWORK: "1" }),
);

function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= NODE_MAJOR_MIN) return;
  stop(`Windlass needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.version}`);
}

function installNodePackages() {
  const installed = join(root, "node_modules/.package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  say("installing the Node packages (npm ci)");
  must(run("npm", ["ci", "--no-audit", "--no-fund"]), "npm ci failed");
}

function installDebianPackages() {
  const missing = PROGRAMS.filter(
    (one) => !isThere(one) && (command === "test" || !one.testsOnly),
  ).map((one) => one.package);
  if (missing.length === 0) return;
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) {
    stop(`missing: ${missing.join(", ")}. Run: sudo apt-get ${install.join(" ")}`);
  }
  say(`installing Debian packages: ${missing.join(", ")}`);
  const quiet = { DEBIAN_FRONTEND: "noninteractive" };
  must(run("apt-get", ["update", "-q"], quiet), "apt-get update failed");
  must(run("apt-get", ["-q", ...install], quiet), "apt-get install failed");
}

function buildWindlass() {
  const sources = ["allocator-model", "guest", "host-tools", "image-builder"].map((name) =>
    join(root, name),
  );
  const newest = Math.max(...[...sources, join(root, "build.ts")].map(newestChange));
  if (existsSync(cli) && existsSync(buildStamp) && statSync(buildStamp).mtimeMs >= newest) return;
  say("building Windlass");
  must(run(process.execPath, [tsx, "build.ts"]), "the build failed");
}

function addKernel() {
  const data = process.env.WINDLASS_HOME
    ? join(process.env.WINDLASS_HOME, "data")
    : join(process.env.XDG_DATA_HOME || join(homedir(), ".local/share"), "windlass");
  const current = join(data, "kernels/current");
  if (
    existsSync(current) &&
    existsSync(join(data, "kernels", readFileSync(current, "utf8").trim()))
  )
    return;
  say("fetching Debian's cloud kernel (unpacked, not installed)");
  if (process.getuid?.() === 0 && !hasPackageLists()) {
    must(run("apt-get", ["update", "-q"]), "apt-get update failed");
  }
  must(run(process.execPath, [cli, "kernel", "add", "debian"]), "there is no kernel to boot");
}

function hasPackageLists() {
  const folder = "/var/lib/apt/lists";
  return existsSync(folder) && readdirSync(folder).some((name) => name.includes("_Packages"));
}

/** Time of the newest change below a path, in milliseconds. */
function newestChange(path) {
  const found = statSync(path);
  if (!found.isDirectory()) return found.mtimeMs;
  const inside = readdirSync(path).map((name) => newestChange(join(path, name)));
  return Math.max(found.mtimeMs, ...inside);
}

function isThere({ program, file }) {
  if (file) return existsSync(file);
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, program)));
}

function run(program, args, environment = {}) {
  const env = { ...process.env, ...environment };
  const result = spawnSync(program, args, { cwd: root, stdio: "inherit", env });
  if (result.error) stop(`cannot run ${program}: ${result.error.message}`);
  return result.status ?? 1;
}

function must(status, failure) {
  if (status !== 0) stop(failure);
}

function say(text) {
  process.stderr.write(`windlass set-up: ${text}\n`);
}

function stop(text, status = 1) {
  say(text);
  process.exit(status);
}

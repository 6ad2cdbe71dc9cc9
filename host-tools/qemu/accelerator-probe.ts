/**
 * The probe guest: boots a kernel under an accelerator and sees whether it gets anywhere in time. The
 * only proof that an accelerator works with that kernel. What it found is kept per boot of the host,
 * kernel, QEMU and accelerator.
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { HostError } from "../errors.ts";
import { outcome } from "../qmp/deadline.ts";
import { judgeAccelerator, readAcceleratorFacts } from "./accelerator-facts.ts";
import type { QemuBinary } from "./binary.ts";
import { describeExit, type QemuExit } from "./failure.ts";
import type { Accelerator, Machine } from "./machine.ts";
import { startQemu } from "./process.ts";
import { readBootId } from "./process-identity.ts";
import { stopQemu } from "./stop-ladder.ts";

/**
 * A kernel needs a fraction of a second on hardware; under KVM that is itself emulated, on a busy host, one needed
 * half a minute, and talked all the while. One that is silent for so long hangs, which costs this once a host boot.
 */
const SILENCE_TIMEOUT_MS = 30_000;
/** One that goes on for so long without an end is given up, too. */
const PROBE_TIMEOUT_MS = 180_000;
/** How often the console is looked at. */
const LISTEN_MS = 500;
const PROBE_MEMORY_MIB = 128;
/** Entries the cache file keeps; older ones are from other boots or kernels. */
const CACHE_LIMIT = 16;

export interface AcceleratorProbe {
  readonly accelerator: Accelerator;
  readonly binary: QemuBinary;
  readonly kernelPath: string;
  readonly initrdPath?: string | undefined;
  /** Default: Linux prints its messages from the first on, finds no root, panics and resets, which ends QEMU. */
  readonly commandLine?: string | undefined;
  /** What the serial console must have shown when the machine ended; default: anything at all. */
  readonly marker?: string | undefined;
  /** Where the machine's files live meanwhile; default: the system's temporary folder. */
  readonly workFolder?: string | undefined;
  /** For all of it; default PROBE_TIMEOUT_MS. */
  readonly timeoutMs?: number | undefined;
  /** For a console without a new word; default SILENCE_TIMEOUT_MS. */
  readonly silenceTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ProbeResult {
  readonly works: boolean;
  /** Half a sentence that follows "the probe guest ". */
  readonly reason: string;
  readonly durationMs: number;
}

/**
 * Boots the kernel and waits for its end: the machine must reset or power off in time, must not fall silent
 * before, and must have printed the marker. Leaves no process and no file behind. A KVM that the passive look rules out is
 * not touched.
 *
 * @throws {HostError} when QEMU cannot be started at all for a reason other than the accelerator; or
 *   the signal's reason
 */
export async function probeAccelerator(probe: AcceleratorProbe): Promise<ProbeResult> {
  const { marker = "", signal } = probe;
  const begin = performance.now();
  const result = (works: boolean, reason: string): ProbeResult => {
    return { works, reason, durationMs: Math.round(performance.now() - begin) };
  };
  if (probe.accelerator === "kvm") {
    const verdict = judgeAccelerator(await readAcceleratorFacts());
    if (verdict.usable === "no") return result(false, `was not tried: ${verdict.reason}`);
  }
  const folder = await mkdtemp(join(probe.workFolder ?? tmpdir(), "windlass-probe-"));
  try {
    const machine = probeMachine(probe, folder);
    const qemu = await startQemu(machine, {
      binary: probe.binary,
      stderrLogPath: join(folder, "stderr.log"),
      signal,
      paused: true,
    });
    try {
      await qemu.qmp.execute("cont", {}, { signal });
      await qemu.qmp.close();
      const exit = await endOf(qemu.waitForExit(), machine.consoleLogPath, probe);
      const console = await readFile(machine.consoleLogPath, "latin1");
      if (exit.exitCode !== 0) return result(false, `ended with ${describeExit(exit)}`);
      if (console === "") return result(false, "ended without a word on its console");
      if (!console.includes(marker)) return result(false, `ended without printing "${marker}"`);
      return result(true, "booted");
    } finally {
      await stopQemu({ process: qemu }, { quitTimeoutMs: 0, terminateTimeoutMs: 0 });
    }
  } catch (error) {
    if (error instanceof ProbeExpired) return result(false, error.message);
    if (error instanceof HostError && error.code === "WL_ACCELERATOR_UNAVAILABLE") {
      return result(false, `could not start: ${error.message}`);
    }
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class ProbeExpired extends Error {}
class StillRuns extends Error {}

/** @throws {ProbeExpired} when the guest is silent for too long, or goes on for too long */
async function endOf(
  ended: Promise<QemuExit>,
  consolePath: string,
  limits: Pick<AcceleratorProbe, "timeoutMs" | "silenceTimeoutMs" | "signal">,
): Promise<QemuExit> {
  const { silenceTimeoutMs = SILENCE_TIMEOUT_MS, timeoutMs = PROBE_TIMEOUT_MS, signal } = limits;
  const listenMs = Math.min(LISTEN_MS, silenceTimeoutMs);
  const beginMs = performance.now();
  let heard = { bytes: 0, atMs: beginMs };
  for (;;) {
    try {
      return await outcome(ended, { signal, timeoutMs: listenMs, expired: () => new StillRuns() });
    } catch (error) {
      if (!(error instanceof StillRuns)) throw error;
    }
    // QEMU made the file when it started.
    const { size: bytes } = await stat(consolePath);
    const nowMs = performance.now();
    if (bytes > heard.bytes) heard = { bytes, atMs: nowMs };
    if (nowMs - heard.atMs >= silenceTimeoutMs) {
      throw new ProbeExpired(`said nothing for ${silenceTimeoutMs} ms`);
    }
    if (nowMs - beginMs >= timeoutMs) throw new ProbeExpired(`did not end in ${timeoutMs} ms`);
  }
}

function probeMachine(probe: AcceleratorProbe, folder: string): Machine {
  return {
    name: "accelerator-probe",
    uuid: randomUUID(),
    accelerator: probe.accelerator,
    memoryMib: PROBE_MEMORY_MIB,
    vcpuCount: 1,
    kernel: {
      path: probe.kernelPath,
      ...(probe.initrdPath !== undefined && { initrdPath: probe.initrdPath }),
      commandLine: probe.commandLine ?? "earlyprintk=ttyS0 console=ttyS0 panic=-1",
    },
    disks: [],
    network: { kind: "none" },
    consoleLogPath: join(folder, "console.log"),
    ports: [],
    firmwareConfig: [],
    qmpSocketPath: join(folder, "qmp.sock"),
    pidFilePath: join(folder, "pid"),
  };
}

/**
 * What the probe finds, or found before: a result counts until the host boots again, or the kernel or
 * QEMU changes. A cache that cannot be read or written only costs time.
 */
export async function cachedProbe(
  probe: AcceleratorProbe,
  options: {
    readonly cachePath: string;
    /** SHA-256 of the kernel, hexadecimal, when it is known already. */
    readonly kernelDigest?: string | undefined;
  },
): Promise<ProbeResult> {
  const key = [
    await readBootId(),
    options.kernelDigest ?? (await fileDigest(probe.kernelPath)),
    probe.binary.path,
    probe.binary.version,
    probe.accelerator,
  ].join("|");
  const cache = await readCache(options.cachePath);
  const known = cache.find((entry) => entry.key === key);
  if (known) return known.result;
  const result = await probeAccelerator(probe);
  await writeCache(options.cachePath, [{ key, result }, ...cache].slice(0, CACHE_LIMIT));
  return result;
}

interface CacheEntry {
  readonly key: string;
  readonly result: ProbeResult;
}

async function readCache(path: string): Promise<readonly CacheEntry[]> {
  try {
    const entries: unknown = JSON.parse(await readFile(path, "utf8"));
    return Array.isArray(entries) ? entries.filter(isCacheEntry) : [];
  } catch {
    // Missing, unreadable or damaged: probe again.
    return [];
  }
}

function isCacheEntry(value: CacheEntry | null | undefined): value is CacheEntry {
  return (
    typeof value?.key === "string" &&
    typeof value.result?.works === "boolean" &&
    typeof value.result.reason === "string" &&
    typeof value.result.durationMs === "number"
  );
}

async function writeCache(path: string, entries: readonly CacheEntry[]): Promise<void> {
  const beside = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(beside, `${JSON.stringify(entries, undefined, 2)}\n`);
    await rename(beside, path);
  } catch {
    // Not kept: the next run probes again.
    await rm(beside, { force: true }).catch(() => {});
  }
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/**
 * The probe guest: boots a kernel under an accelerator and sees whether it gets anywhere in time. The
 * only proof that an accelerator works with that kernel. What it found is kept per boot of the host,
 * kernel, QEMU and accelerator.
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { HostError } from "../errors.ts";
import { outcome } from "../qmp/deadline.ts";
import { judgeAccelerator, readAcceleratorFacts } from "./accelerator-facts.ts";
import type { QemuBinary } from "./binary.ts";
import { describeExit } from "./failure.ts";
import type { Accelerator, Machine } from "./machine.ts";
import { startQemu } from "./process.ts";
import { readBootId } from "./process-identity.ts";
import { stopQemu } from "./stop-ladder.ts";

/**
 * A kernel needs a fraction of a second on hardware and some ten seconds under KVM that is itself emulated. A
 * hang costs this once a host boot.
 */
export const ACCELERATOR_PROBE_TIMEOUT_MS = 30_000;
const PROBE_MEMORY_MIB = 128;
/** Entries the cache file keeps; older ones are from other boots or kernels. */
const CACHE_LIMIT = 16;

export interface AcceleratorProbe {
  readonly accelerator: Accelerator;
  readonly binary: QemuBinary;
  readonly kernelPath: string;
  readonly initrdPath?: string | undefined;
  /** Default: Linux prints its messages, finds no root, panics and resets, which ends QEMU. */
  readonly commandLine?: string | undefined;
  /** What the serial console must have shown when the machine ended; default: anything at all. */
  readonly marker?: string | undefined;
  /** Where the machine's files live meanwhile; default: the system's temporary folder. */
  readonly workFolder?: string | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ProbeResult {
  readonly works: boolean;
  /** Half a sentence that follows "the probe guest ". */
  readonly reason: string;
  readonly durationMs: number;
}

/**
 * Boots the kernel and waits for its end: the machine must reset or power off in time and must have
 * printed the marker. Leaves no process and no file behind. A KVM that the passive look rules out is
 * not touched.
 *
 * @throws {HostError} when QEMU cannot be started at all for a reason other than the accelerator; or
 *   the signal's reason
 */
export async function probeAccelerator(probe: AcceleratorProbe): Promise<ProbeResult> {
  const { marker = "", timeoutMs = ACCELERATOR_PROBE_TIMEOUT_MS, signal } = probe;
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
      timeoutMs,
      paused: true,
    });
    try {
      await qemu.qmp.execute("cont", {}, { signal });
      await qemu.qmp.close();
      const remainingMs = Math.max(0, timeoutMs - (performance.now() - begin));
      const expired = (): Error => new ProbeExpired();
      const exit = await outcome(qemu.waitForExit(), { signal, timeoutMs: remainingMs, expired });
      const console = await readFile(machine.consoleLogPath, "latin1");
      if (exit.exitCode !== 0) return result(false, `ended with ${describeExit(exit)}`);
      if (console === "") return result(false, "ended without a word on its console");
      if (!console.includes(marker)) return result(false, `ended without printing "${marker}"`);
      return result(true, "booted");
    } finally {
      await stopQemu({ process: qemu }, { quitTimeoutMs: 0, terminateTimeoutMs: 0 });
    }
  } catch (error) {
    if (error instanceof ProbeExpired) return result(false, `did not end in ${timeoutMs} ms`);
    if (error instanceof HostError && error.code === "WL_ACCELERATOR_UNAVAILABLE") {
      return result(false, `could not start: ${error.message}`);
    }
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class ProbeExpired extends Error {}

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
      commandLine: probe.commandLine ?? "console=ttyS0 panic=-1",
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

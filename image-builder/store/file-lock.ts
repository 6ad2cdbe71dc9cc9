/**
 * Locks between processes that cannot go stale: flock(2) on a file, given back by the kernel when the
 * last descriptor of the open file is closed, however its holder ends.
 *
 * A lock belongs to the open file, not to the process (flock(2)). So waiting for another holder can be left to the
 * util-linux program `flock`: it gets our descriptor as its number 3, waits in the kernel, without polling and without
 * a thread of ours that nothing could interrupt, and ends; we keep the open file and with it the lock. Whoever inherits
 * the descriptor, a QEMU for example, keeps the lock too. Only closing gives it back.
 */
import { spawn } from "node:child_process";
import type { Stats } from "node:fs";
import { constants, type FileHandle, open, stat } from "node:fs/promises";
import { getSystemErrorName } from "node:util";
import { ImageError } from "../errors.ts";
import { flockNow, isHeldByAnother } from "./flock.ts";

export interface FileLockOptions {
  /** Many may hold a shared lock at once, but not beside an exclusive one. Default: exclusive. */
  readonly shared?: boolean | undefined;
  /** Whether to wait for another holder; default true. */
  readonly wait?: boolean | undefined;
  /** How long to wait; default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FileLock extends AsyncDisposable {
  readonly path: string;
  /** Descriptor of the locked open file, for a child process to inherit. Closed on exec otherwise. */
  readonly fd: number;
  /** Gives the lock back, unless a child inherited it. Idempotent. */
  close(): Promise<void>;
}

/**
 * Takes the lock of a file, which is made when it is missing and stays afterwards.
 *
 * @throws {ImageError} WL_IMAGE_STORE when somebody else holds it and `wait` is false or `timeoutMs`
 *   has passed; WL_IMAGE_IO when the file cannot be opened or flock(1), which waits, is missing; or the signal's
 *   reason
 */
export async function lockFile(path: string, options: FileLockOptions = {}): Promise<FileLock> {
  const lock = await takeLock(path, options);
  if (lock) return lock;
  const waited = options.wait === false ? "" : ` after ${options.timeoutMs} ms`;
  throw new ImageError("WL_IMAGE_STORE", `Cannot lock "${path}": it is held by another${waited}`, {
    file: path,
    next: `Wait for it to end; "fuser -v ${path}" shows the holder`,
  });
}

/**
 * Takes the lock if nobody else holds it.
 *
 * @returns undefined when somebody does
 * @throws {ImageError} WL_IMAGE_IO; or the signal's reason
 */
export function tryLockFile(
  path: string,
  options: Pick<FileLockOptions, "shared" | "signal"> = {},
): Promise<FileLock | undefined> {
  return takeLock(path, { ...options, wait: false });
}

async function takeLock(path: string, options: FileLockOptions): Promise<FileLock | undefined> {
  const { signal, timeoutMs } = options;
  signal?.throwIfAborted();
  const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signals = [signal, deadline].filter((value) => value !== undefined);
  const stop = signals.length > 0 ? AbortSignal.any(signals) : undefined;
  for (;;) {
    const file = await openLockFile(path);
    try {
      const { shared = false, wait = true } = options;
      const taken =
        tryFlock(file.fd, { shared }) ||
        (wait && (await waitForFlock(file.fd, { shared, signal: stop })));
      if (taken && (await isStillAt(path, await file.stat()))) return handle(path, file);
      await file.close();
      if (!taken) return undefined;
      // The file was removed or replaced while we waited: what we hold is nobody's lock any more.
    } catch (error) {
      await file.close();
      if (deadline?.aborted && !signal?.aborted) return undefined;
      throw error;
    }
  }
}

function handle(path: string, file: FileHandle): FileLock {
  const close = (): Promise<void> => file.close();
  return { path, fd: file.fd, close, [Symbol.asyncDispose]: close };
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    // Read and write: NFS asks for it before it grants an exclusive lock (flock(2), "NFS details").
    return await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (cause) {
    const message = `Cannot open the lock file "${path}": ${(cause as Error).message}`;
    const next = "Check that its folder exists and is writable";
    throw new ImageError("WL_IMAGE_IO", message, { file: path, next }, cause);
  }
}

async function isStillAt(path: string, { dev, ino }: Stats): Promise<boolean> {
  try {
    const now = await stat(path);
    return now.dev === dev && now.ino === ino;
  } catch {
    return false;
  }
}

/** @returns whether the lock was taken */
function tryFlock(fd: number, { shared }: { readonly shared: boolean }): boolean {
  const errno = flockNow(fd, { shared });
  if (errno === 0) return true;
  if (isHeldByAnother(errno)) return false;
  throw refused(getSystemErrorName(-errno));
}

/** @returns true: it ends when the lock is taken, and throws otherwise */
async function waitForFlock(
  fd: number,
  { shared, signal }: { readonly shared: boolean; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  // Should we be killed, the one that waits for us must end too: setpriv(1), prctl(2) PR_SET_PDEATHSIG.
  const argv = ["--pdeathsig", "SIGKILL", "flock", shared ? "-s" : "-x", "3"];
  const child = spawn("setpriv", argv, { stdio: ["ignore", "ignore", "pipe", fd] });
  let complaint = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(0, 1000);
  });
  const kill = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", kill, { once: true });
  if (signal?.aborted) kill();
  try {
    const status = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      // After "close" nobody but us has the descriptor: closing it gives the lock back.
      child.once("close", resolve);
    });
    if (status === 0) return true;
    signal?.throwIfAborted();
    throw refused(complaint.trim());
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    const next = "Install it: apt-get install util-linux";
    throw new ImageError("WL_IMAGE_IO", 'Cannot find "setpriv" in PATH', { next }, cause);
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

function refused(why: string): ImageError {
  return new ImageError("WL_IMAGE_IO", `Cannot take a file lock: ${why}`, {
    next: "Check that the file system knows flock(2)",
  });
}

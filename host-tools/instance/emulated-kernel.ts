/**
 * A kernel for an emulated CPU, whose code QEMU translates once instead of twice. An interrupt that comes from a
 * program leaves a null selector in SS (Intel SDM 3A, 6.14.2), a system call the kernel's data segment. One bit of that
 * segment, which means nothing in 64-bit mode, is among those that a block of translated code is kept under
 * (QEMU's target/i386/cpu.h, HF_SS32_MASK). So this kernel loads the segment when it is interrupted in a program.
 *
 * The place for it is in error_entry (arch/x86/entry/entry_64.S), which all interrupts and exceptions pass. Behind
 * swapgs is the switch to page tables of the kernel's own (calling.h, SWITCH_TO_KERNEL_CR3), jumped over where Linux
 * does not isolate them: our kernel command line for emulated CPUs says so (mitigations=off). RAX is free there.
 */
import {
  constants,
  copyFile,
  link,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathBeside } from "../../image-builder/store/replace-file.ts";

/** testb $3, 0x90(%rsp); je: whether the interrupt comes from a program. The jump's distance follows. */
const FROM_PROGRAM = Buffer.from("f684249000000003" + "74", "hex");
/** swapgs; three bytes for a fence. */
const SWAP = Buffer.from("0f01f8" + "909090", "hex");
/** jmp behind it; mov %cr3, %rax; five bytes for a flag; and $~0x1800, %rax; mov %rax, %cr3 */
const PAGE_TABLE_SWITCH = Buffer.from(
  "eb11" + "0f20d8" + "9090909090" + "4825ffe7ffff" + "0f22d8",
  "hex",
);
/** mov $0x18, %eax; mov %eax, %ss; jmp behind it. 0x18: __KERNEL_DS (arch/x86/include/asm/segment.h). */
const SEGMENT_LOAD = Buffer.from("b818000000" + "8ed0" + "eb0a", "hex");
const NO_OPERATION = 0x90;
/** In the cache. Another patch gets another number. */
export const EMULATED_KERNELS_FOLDER = "vmlinux-emulated-1";

export interface KernelPatch {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** What to change in an ELF kernel; undefined for one that has no such place, or more than one. Pure. */
export function segmentPatch(kernel: Buffer): KernelPatch | undefined {
  const places: number[] = [];
  const code = Buffer.concat([SWAP, PAGE_TABLE_SWITCH]);
  for (let at = kernel.indexOf(code); at >= 0; at = kernel.indexOf(code, at + 1)) {
    const test = at - 1 - FROM_PROGRAM.length;
    if (test >= 0 && kernel.subarray(test, at - 1).equals(FROM_PROGRAM)) places.push(at);
  }
  const [place] = places;
  if (place === undefined || places.length > 1) return undefined;
  const bytes = Buffer.alloc(PAGE_TABLE_SWITCH.length, NO_OPERATION);
  SEGMENT_LOAD.copy(bytes);
  return { offset: place + SWAP.length, bytes };
}

/**
 * Makes it beside the kernels of the cache, once.
 *
 * @param path of a kernel whose name is its digest
 * @returns the path of a kernel; the same one where another cannot be made, which only costs time
 */
export async function emulatedKernel(path: string, cacheFolder: string): Promise<string> {
  const target = join(cacheFolder, EMULATED_KERNELS_FOLDER, basename(path));
  if (await stat(target).catch(() => undefined)) return target;
  const beside = pathBeside(target);
  try {
    await mkdir(dirname(target), { recursive: true });
    const patch = segmentPatch(await readFile(path));
    // A second name says that it was looked at.
    await (patch ? copyPatched(path, beside, patch) : link(path, beside));
    await rename(beside, target);
    return target;
  } catch {
    return path;
  } finally {
    await rm(beside, { force: true }).catch(() => undefined);
  }
}

async function copyPatched(
  path: string,
  copy: string,
  { offset, bytes }: KernelPatch,
): Promise<void> {
  await copyFile(path, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  await using file = await open(copy, "r+");
  await file.write(bytes, 0, bytes.length, offset);
  await file.sync(); // Else a power cut after the rename could leave an empty file under the final name.
}

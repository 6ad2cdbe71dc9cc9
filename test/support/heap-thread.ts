/** A CPU of a shared heap, as a thread: allocates, hands every third object to the next CPU, frees the others. */
import { parentPort, workerData } from "node:worker_threads";
import { HeapCore, type HeapShare } from "../../allocator-model/heap-core.ts";

export interface HeapThreadJob {
  readonly share: HeapShare;
  readonly cpu: number;
  readonly cpus: number;
  /** By CPU: a word that is 0, or the offset of an object that is for it. */
  readonly mailboxes: SharedArrayBuffer;
  readonly rounds: number;
  /** Objects from before there were threads: this one's to free, one a round. */
  readonly early: BigUint64Array;
}

const ALIVE = 64;
const SIZES = [16, 64, 200, 1000, 1500, 2048, 4000, 9000];

const { share, cpu, cpus, mailboxes, rounds, early } = workerData as HeapThreadJob;
const heap = new HeapCore(share.options, share.memory);
const boxes = new BigInt64Array(mailboxes);
const highs = new Uint32Array(ALIVE);
const lows = new Uint32Array(ALIVE);
const sizes = new Uint32Array(ALIVE);
let faults = 0;

function bytesAt(high: number, low: number, size: number): Uint8Array {
  const at = heap.reader.physicalOf(high, low);
  return heap.memory.bytes.subarray(at, at + size);
}

/** What another CPU has sent: freed here, where it is not at home. */
function emptyMailbox(): void {
  const address = Atomics.exchange(boxes, cpu, 0n);
  if (address !== 0n) free(BigInt.asUintN(64, address));
}

function free(address: bigint): void {
  heap.free(Number(address >> 32n), Number(address & 0xffff_ffffn), cpu);
}

for (let round = 0; round < rounds; round += 1) {
  const slot = (round * 7) % ALIVE;
  const [high = 0, low = 0, size = 0] = [highs[slot], lows[slot], sizes[slot]];
  if (size > 0) {
    const mark = (cpu * 16 + slot) % 251;
    if (!bytesAt(high, low, size).every((byte) => byte === mark)) faults += 1;
    const address = (BigInt(high) << 32n) | BigInt(low);
    const next = (cpu + 1) % cpus;
    const isHanded =
      round % 3 === 0 &&
      Atomics.compareExchange(boxes, next, 0n, BigInt.asIntN(64, address)) === 0n;
    if (!isHanded) heap.free(high, low, cpu);
    sizes[slot] = 0;
  }
  const wanted = SIZES[round % SIZES.length] ?? 16;
  if (heap.malloc(wanted, 8, cpu)) {
    highs[slot] = heap.high;
    lows[slot] = heap.low;
    sizes[slot] = wanted;
    bytesAt(heap.high, heap.low, wanted).fill((cpu * 16 + slot) % 251);
  }
  emptyMailbox();
  const old = early[round];
  if (old !== undefined) free(old);
  heap.step(cpu);
}
for (let slot = 0; slot < ALIVE; slot += 1) {
  if ((sizes[slot] ?? 0) > 0) heap.free(highs[slot] ?? 0, lows[slot] ?? 0, cpu);
}
parentPort?.postMessage(faults);

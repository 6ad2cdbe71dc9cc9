/** From the records of the shim (allocation-shim.ts) to a trace. Pure. */
import { AddressTrace, type ReadTrace } from "../../allocator-model/address-trace.ts";
import { SHIM_RECORD_BYTES, shimKinds } from "./allocation-shim.ts";

interface ShimRecord {
  readonly kind: number;
  readonly cpu: number;
  readonly address: number;
  readonly size: number;
  readonly other: number;
}

export class ShimRecords {
  readonly #operationsMax: number;
  #addresses = new AddressTrace<number>();
  /** Ids of the objects that threads are reallocating. */
  #moving = new Map<number, number | undefined>();
  #hasMore = false;

  /** @param operationsMax of the trace; what follows is left out */
  constructor(operationsMax: number) {
    this.#operationsMax = operationsMax;
  }

  /** Whether something was left out at the end. */
  get hasMore(): boolean {
    return this.#hasMore;
  }

  get length(): number {
    return this.#addresses.length;
  }

  /** @param bytes whole records */
  take(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + SHIM_RECORD_BYTES <= bytes.length; at += SHIM_RECORD_BYTES) {
      this.#takeOne({
        kind: view.getUint32(at, true),
        cpu: view.getUint32(at + 4, true),
        // Addresses of processes are below 2^47; sizes may be rounded, when they are absurd.
        address: Number(view.getBigUint64(at + 8, true)),
        size: Number(view.getBigUint64(at + 16, true)),
        other: Number(view.getBigUint64(at + 24, true)),
      });
    }
  }

  build(name: string): ReadTrace {
    return this.#addresses.build(name);
  }

  #takeOne(record: ShimRecord): void {
    const { kind, cpu, address, size, other } = record;
    if (kind !== shimKinds.exec && this.#addresses.length >= this.#operationsMax) {
      this.#hasMore = true;
      return;
    }
    switch (kind) {
      case shimKinds.exec:
        this.#restart();
        break;
      case shimKinds.malloc:
        this.#allocate(address, { size, cpu });
        break;
      case shimKinds.calloc:
        this.#allocate(address, { size, cpu, isZeroed: true });
        break;
      case shimKinds.aligned:
        this.#allocate(address, { size, cpu, alignment: other });
        break;
      case shimKinds.free:
        this.#addresses.free(address, cpu);
        break;
      case shimKinds.reallocBegin:
        this.#moving.set(cpu, this.#addresses.beginRealloc(address));
        break;
      case shimKinds.reallocEnd:
        this.#endRealloc(record);
        break;
      default:
        // Begun by a thread when the process was killed.
        this.#addresses.skipLine();
    }
  }

  #allocate(address: number, request: Parameters<AddressTrace<number>["allocate"]>[1]): void {
    if (address === 0) this.#addresses.fail();
    else this.#addresses.allocate(address, request);
  }

  #endRealloc({ cpu, address, size, other }: ShimRecord): void {
    const id = this.#moving.get(cpu);
    this.#moving.delete(cpu);
    if (address !== 0) this.#addresses.endRealloc(id, address, { size, cpu });
    else if (size === 0) this.#addresses.endReallocAsFree(id, cpu);
    else this.#addresses.undoRealloc(id, other);
  }

  #restart(): void {
    this.#addresses = new AddressTrace();
    this.#moving = new Map();
    this.#hasMore = false;
  }
}

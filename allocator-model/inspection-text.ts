/** What is at an address, in sentences: a part of `windlass alloc explain`. Pure. */
import { hex } from "./address.ts";
import type { Inspection, Slot } from "./inspection.ts";
import type { LargeRange } from "./large-objects.ts";
import type { LastObject } from "./object-history.ts";

export interface InspectedAddress {
  readonly address: bigint;
  /** Of the heap, in bytes. */
  readonly memoryBytes: number;
  /** Whether the address is in an area that maps all of memory. */
  readonly isMapped: boolean;
  /** Absent where no memory is seen. */
  readonly inspection?: Inspection | undefined;
  /** The last object there; absent when there was none. */
  readonly object?: LastObject | undefined;
}

/** @returns label and text by row; a label stands for the rows after it, too */
export function inspectionRows(inspected: InspectedAddress): (readonly [string, string])[] {
  const { inspection, object, address, memoryBytes, isMapped } = inspected;
  if (!isMapped) return [["now", "Nothing of the heap is seen there"]];
  if (!inspection) {
    const end = hex(BigInt(memoryBytes));
    return [["now", `No memory is seen there: it ends at physical address ${end}`]];
  }
  const lines = [
    ...factLines(inspection).map((text) => ["now", text] as const),
    ["object", object ? objectLine(object, address) : "There was none yet"] as const,
    ["free(3)", verdict(inspection, object, address)] as const,
  ];
  return lines.map(([label, text], index) => [lines[index - 1]?.[0] === label ? "" : label, text]);
}

function factLines(inspection: Inspection): string[] {
  const { page } = inspection;
  const name = `Page ${hex(BigInt(page))}`;
  switch (inspection.owner) {
    case "free":
      return [`${name} is free, in a range of ${rangeText(inspection.range)}`];
    case "cached":
      return [`${name} is free, and kept in a page pool`];
    case "mempool": {
      const { cpu, objectBytes, used, slots, slot } = inspection;
      const waiting = slot?.state === "waiting" ? " or waiting" : "";
      return [
        `${name} of CPU ${cpu} has objects of ${objectBytes} bytes: ${used} of ${slots} are in use${waiting}`,
        slot ? slotText(slot) : "The page's header, or what is left between it and the objects",
      ];
    }
    case "half-page": {
      const { cpu, slot, neighbour } = inspection;
      return [`${name} of CPU ${cpu} has two objects`, slotText(slot), slotText(neighbour)];
    }
    case "page":
      return [`${name} is one object`];
    case "large":
      return [`${name} is of a large object that takes ${rangeText(inspection.range)}`];
    case "early":
      return [`${name} has early objects: ${inspection.objects}`];
    case "debug":
      return [`${name} is the debug allocator's`];
  }
}

function rangeText({ first, pages }: LargeRange): string {
  if (pages === 1) return "1 page";
  return `${pages} pages, ${hex(BigInt(first))} to ${hex(BigInt(first + pages - 1))}`;
}

const states = {
  "in use": "in use",
  free: "free",
  waiting: "freed on another CPU, and waits to be collected",
} as const;

function slotText({ number, begin, sizeBytes, state }: Slot): string {
  return `Slot ${number}, ${sizeBytes} bytes from ${begin}: ${states[state]}`;
}

function objectLine(object: LastObject, address: bigint): string {
  const { id, requestedBytes, usableBytes, made, madeOn, freed, freedOn } = object;
  const size = `${requestedBytes} bytes were asked for, ${usableBytes} are usable`;
  const since = `operation ${made} on CPU ${madeOn}`;
  if (freed !== undefined) {
    return `The last one, id ${id} at ${hex(object.address)}: ${since} to operation ${freed} on CPU ${freedOn}; ${size}`;
  }
  const place = Number(BigInt.asUintN(44, address) - BigInt.asUintN(44, object.address));
  const where = place === 0 ? "begins here" : `begins ${place} bytes before`;
  return `Id ${id} ${where}, since ${since}; ${size}`;
}

function verdict(
  { owner, takenFor }: Inspection,
  object: LastObject | undefined,
  address: bigint,
): string {
  if (takenFor === "none") return "Refuses it";
  const live = object?.freed === undefined ? object : undefined;
  if (live?.address === address) return `Gives the object back to region ${takenFor}`;
  const what = `Takes it for region ${takenFor}`;
  if (live) return `${what}; the object was handed out as ${hex(live.address)}`;
  if (owner === "free" || owner === "cached") return `${what}; nothing is there to be freed`;
  return owner === takenFor
    ? `${what}; no object is there to be freed`
    : `${what}; the page is that of region ${owner}`;
}

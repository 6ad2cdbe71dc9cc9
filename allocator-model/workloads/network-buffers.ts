/**
 * Packets that a network card receives, after no program in particular: buffers of 2048 bytes, which is half a
 * page, and headers of 256 (FreeBSD's MCLBYTES and MSIZE, whose network stack OSv has).
 *
 * Two receive queues, each a ring of 256 buffers that wait for packets (virtio-net's default). Packets come in
 * bursts, most of up to 64, now and then one of 2000; the place of a filled buffer gets a new one, the
 * packet goes to one of four sockets. A socket is read by its own CPU, so most buffers are freed elsewhere
 * than allocated. A socket holds 1000 packets; what comes then is dropped.
 */
import type { Trace } from "../trace.ts";
import { Random } from "./random.ts";
import {
  interleave,
  scaled,
  type Thread,
  TraceScript,
  type Workload,
  type WorkloadOptions,
} from "./workload.ts";

const QUEUES = 2;
const SOCKETS = 4;
const BUFFER_BYTES = 2048;
const HEADER_BYTES = 256;
const RING_LENGTH = 256;
const BURST_MAX = 64;
const LONG_BURST = 2000;
const LONG_BURST_PERCENT = 1;
const PACKETS_PER_QUEUE = 40_000;
const SOCKET_MAX = 1000;
const READ_MAX = 64;
/** Most bursts or reads of a thread before another's turn. */
const TURN_BURSTS_MAX = 4;

export const networkBuffers: Workload = {
  description: "Received packets: buffers of 2048 bytes with headers of 256, in rings and bursts",
  make: (options = {}) => makeNetworkBuffers(options),
};

interface Packet {
  readonly header: number;
  readonly buffer: number;
}

function makeNetworkBuffers(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const sockets = Array.from({ length: SOCKETS }, (): Packet[] => []);
  const socketMax = scaled(SOCKET_MAX, options);
  let receiving = QUEUES;
  const freePacket = ({ header, buffer }: Packet, cpu: number): void => {
    script.free(header, cpu);
    script.free(buffer, cpu);
  };
  function* receive(cpu: number): Thread {
    const length = scaled(RING_LENGTH, options);
    const ring = Array.from({ length }, () => script.allocate(BUFFER_BYTES, cpu));
    let packets = scaled(PACKETS_PER_QUEUE, options);
    for (let place = 0; packets > 0; ) {
      let burst = random.chance(LONG_BURST_PERCENT)
        ? scaled(LONG_BURST, options)
        : random.between(1, BURST_MAX);
      for (; burst > 0 && packets > 0; burst -= 1, packets -= 1) {
        const packet = { header: script.allocate(HEADER_BYTES, cpu), buffer: ring[place] ?? 0 };
        ring[place] = script.allocate(BUFFER_BYTES, cpu);
        place = (place + 1) % length;
        const socket = sockets[random.below(SOCKETS)];
        if (socket && socket.length < socketMax) socket.push(packet);
        else freePacket(packet, cpu);
      }
      yield;
    }
    for (const buffer of ring) script.free(buffer, cpu);
    receiving -= 1;
  }
  function* read(socket: Packet[], cpu: number): Thread {
    while (receiving > 0 || socket.length > 0) {
      for (const packet of socket.splice(0, random.between(1, READ_MAX))) freePacket(packet, cpu);
      yield;
    }
  }
  const receivers = Array.from({ length: QUEUES }, (_, cpu) => receive(cpu));
  const readers = sockets.map((socket, cpu) => read(socket, cpu));
  interleave(random, [...receivers, ...readers], TURN_BURSTS_MAX);
  return script.build("network-buffers");
}

/**
 * Objects of 1 to 8 KiB, after no program in particular: the sizes where the three schemes differ. Two workloads,
 * on two CPUs; one object of eight is freed by the other CPU.
 *
 * - uniform: all sizes are equally likely, and so is every object to be the next that is freed. The number of objects
 *   rises and falls by half.
 * - lifetimes: small sizes are likelier (a third is below 2 KiB, another below 4), and there are requests, whose
 *   objects live until a hundred later ones came, and sessions: one object of ten, which outlives many.
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

const CPUS = 2;
const SIZE_MIN = 1024;
const SIZE_MAX = 8192;
/** From the smallest size to the largest. */
const DOUBLINGS = 3;
const OTHER_CPU_PERCENT = 12.5;

const OBJECTS_PER_CPU = 2000;
const ROUNDS = 10;

const REQUESTS_ALIVE = 100;
const SESSIONS_ALIVE = 1500;
const ALLOCATIONS_PER_CPU = 40_000;
const SESSION_PERCENT = 10;

export const uniformFewKib: Workload = {
  description: "Objects of 1 to 8 KiB, all sizes equally likely, replaced at random",
  make: (options = {}) => makeUniform(options),
};

export const lifetimesFewKib: Workload = {
  description: "Objects of 1 to 8 KiB, the small ones likelier, most of short life",
  make: (options = {}) => makeLifetimes(options),
};

function makeUniform(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const most = scaled(OBJECTS_PER_CPU, options);
  function* thread(cpu: number): Thread {
    const alive: number[] = [];
    for (let step = 0; step < ROUNDS * most; step += 1) {
      // From full to half full and back, once a round.
      const phase = Math.abs(((step / most) % 1) - 0.5) + 0.5;
      if (alive.length < most * phase) {
        alive.push(script.allocate(random.between(SIZE_MIN, SIZE_MAX), cpu));
      }
      while (alive.length >= most * phase) freeOne(alive, cpu);
      yield;
    }
    while (alive.length > 0) freeOne(alive, cpu);
  }
  const freeOne = (alive: number[], cpu: number): void => {
    const at = random.below(alive.length);
    script.free(alive[at] ?? 0, freeingCpu(random, cpu));
    alive[at] = alive.at(-1) ?? 0;
    alive.pop();
  };
  const threads = Array.from({ length: CPUS }, (_, cpu) => thread(cpu));
  interleave(random, threads);
  return script.build("uniform-1-8k");
}

function makeLifetimes(options: WorkloadOptions): Trace {
  const random = new Random(options.seed ?? 1);
  const script = new TraceScript();
  const requestsAlive = scaled(REQUESTS_ALIVE, options);
  const sessionsAlive = scaled(SESSIONS_ALIVE, options);
  const size = (): number => {
    const low = SIZE_MIN * 2 ** random.below(DOUBLINGS);
    return low + random.below(low);
  };
  function* thread(cpu: number): Thread {
    const requests: number[] = [];
    const sessions: number[] = [];
    for (let count = scaled(ALLOCATIONS_PER_CPU, options); count > 0; count -= 1) {
      const id = script.allocate(size(), cpu);
      if (random.chance(SESSION_PERCENT)) {
        const place =
          sessions.length < sessionsAlive ? sessions.length : random.below(sessionsAlive);
        const old = sessions[place];
        if (old !== undefined) script.free(old, freeingCpu(random, cpu));
        sessions[place] = id;
      } else {
        requests.push(id);
        const done = requests.length > requestsAlive ? requests.shift() : undefined;
        if (done !== undefined) script.free(done, freeingCpu(random, cpu));
      }
      yield;
    }
    for (const id of [...requests, ...sessions]) script.free(id, cpu);
  }
  const threads = Array.from({ length: CPUS }, (_, cpu) => thread(cpu));
  interleave(random, threads);
  return script.build("lifetimes-1-8k");
}

function freeingCpu(random: Random, cpu: number): number {
  return random.chance(OTHER_CPU_PERCENT) ? (cpu + 1) % CPUS : cpu;
}

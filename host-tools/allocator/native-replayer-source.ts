/**
 * The replayer: plays a trace with the malloc(3) that it is started with, and says how much memory that took.
 *
 * - Usage: replayer RECORDS OBJECTS CPUS PEAK STEP: a file of records of 12 bytes (trace-file.ts), how many ids
 *   and CPUs there are, after how many operations most bytes are alive, and how often to measure, in operations.
 * - Threads: one for each CPU of the trace, and one runs at a time: so the order is the trace's, and what
 *   allocators keep for each thread is there.
 * - Every page of an object is written to, and its last byte: the model counts the pages that an allocator
 *   took, Linux those that were written to.
 * - Footprint: anonymous pages of the process (smaps_rollup, proc(5)) but for those that the kernel may take
 *   (MADV_FREE), less what they were before the first operation. Its own tables are mapped and written before
 *   that, and nothing of its own is allocated later. Huge pages are off. What an allocator would give back
 *   after some time counts: a run takes milliseconds.
 * - Time: of the operations and of writing to the pages; measuring and changing threads are left out.
 *
 * It prints one line of JSON. Exit status 3: an operation got no memory.
 */
export const NATIVE_REPLAYER_SOURCE = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MALLOC = 1, FREE = 2, REALLOC = 3, CALLOC = 4 };
enum { PAGE_BYTES = 4096, CPUS_MAX = 256, NO_MEMORY = 3 };

struct record { uint8_t operation, cpu, alignment_log2, zero; uint32_t id, size; };

static const struct record *records;
static uint32_t record_count, object_count, peak_at, step;
static unsigned char **objects;
static uint32_t *sizes;
static sem_t turns[CPUS_MAX], started;
static uint32_t next_record;
static uint64_t requested, elapsed_ns;
static struct { uint64_t footprint, requested, usable; } peak, end;
static uint64_t baseline;
static int samples;

static void fail(const char *what)
{
  dprintf(2, "%s: %s\\n", what, strerror(errno));
  _exit(1);
}

static void *pages(size_t bytes)
{
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  void *at = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (at == MAP_FAILED) fail("mmap");
  return at;
}

static uint64_t field(const char *text, const char *name)
{
  const char *found = strstr(text, name);
  return found ? strtoull(found + strlen(name), NULL, 10) * 1024 : 0;
}

static uint64_t anonymous_bytes(void)
{
  static char text[4096];
  int file = open("/proc/self/smaps_rollup", O_RDONLY);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (length <= 0) fail("/proc/self/smaps_rollup");
  close(file);
  text[length] = 0;
  return field(text, "\\nAnonymous:") + field(text, "\\nSwap:") - field(text, "\\nLazyFree:");
}

static void measure(void)
{
  uint64_t now = anonymous_bytes();
  end.footprint = now > baseline ? now - baseline : 0;
  end.requested = requested;
  end.usable = 0;
  for (uint32_t id = 0; id < object_count; id++)
    if (objects[id]) end.usable += malloc_usable_size(objects[id]);
  if (end.footprint > peak.footprint ||
      (end.footprint == peak.footprint && end.requested > peak.requested)) peak = end;
  samples++;
}

static unsigned char *request(const struct record *record)
{
  size_t size = record->size, alignment = (size_t)1 << record->alignment_log2;
  if (record->operation == REALLOC) return realloc(objects[record->id], size);
  if (record->operation == CALLOC) return calloc(1, size);
  if (record->alignment_log2 == 0) return malloc(size);
  void *object = NULL;
  /* Not aligned_alloc: its size would have to be a multiple. */
  if (alignment < sizeof object) alignment = sizeof object;
  return posix_memalign(&object, alignment, size) == 0 ? object : NULL;
}

static void play(const struct record *record)
{
  uint32_t id = record->id;
  if (record->operation == FREE) {
    free(objects[id]);
    objects[id] = NULL;
    requested -= sizes[id];
    sizes[id] = 0;
    return;
  }
  unsigned char *object = request(record);
  /* realloc to 0 bytes may free and give nothing. */
  if (!object && record->size > 0) _exit(NO_MEMORY);
  for (size_t at = 0; at < record->size; at += PAGE_BYTES) ((volatile unsigned char *)object)[at] = 1;
  if (record->size > 0) ((volatile unsigned char *)object)[record->size - 1] = 1;
  requested += record->size - (uint64_t)sizes[id];
  objects[id] = object;
  sizes[id] = record->size;
}

static uint64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The records of one CPU up to the next of another, or to the next measurement. */
static void play_turn(int cpu)
{
  uint64_t started = now_ns();
  while (next_record < record_count && records[next_record].cpu == cpu) {
    play(&records[next_record++]);
    if (next_record % step == 0 || next_record == peak_at) {
      elapsed_ns += now_ns() - started;
      measure();
      started = now_ns();
    }
  }
  elapsed_ns += now_ns() - started;
}

/* What a thread will use of its stack is there before the first measurement. */
static void touch_stack(void)
{
  volatile unsigned char stack[8 * PAGE_BYTES];
  for (size_t at = 0; at < sizeof stack; at += PAGE_BYTES) stack[at] = 1;
}

static void *thread(void *argument)
{
  int cpu = (int)(intptr_t)argument;
  touch_stack();
  sem_post(&started);
  for (;;) {
    sem_wait(&turns[cpu]);
    if (next_record == record_count) return NULL;
    play_turn(cpu);
    if (next_record == record_count) break;
    sem_post(&turns[records[next_record].cpu]);
  }
  measure();
  for (int other = 0; other < CPUS_MAX; other++) sem_post(&turns[other]);
  return NULL;
}

int main(int count, char **arguments)
{
  if (count != 6) return 2;
  int file = open(arguments[1], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) fail(arguments[1]);
  record_count = status.st_size / sizeof *records;
  object_count = strtoul(arguments[2], NULL, 10);
  int cpus = atoi(arguments[3]);
  peak_at = strtoul(arguments[4], NULL, 10);
  step = strtoul(arguments[5], NULL, 10);
  if (cpus < 1 || cpus > CPUS_MAX || step < 1 || record_count < 1) return 2;
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  records = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  if (records == MAP_FAILED) fail("mmap");
  objects = pages(object_count * sizeof *objects);
  sizes = pages(object_count * sizeof *sizes);
  pthread_t threads[CPUS_MAX];
  touch_stack();
  sem_init(&started, 0, 0);
  for (int cpu = 0; cpu < CPUS_MAX; cpu++) sem_init(&turns[cpu], 0, 0);
  for (int cpu = 0; cpu < cpus; cpu++)
    if (pthread_create(&threads[cpu], NULL, thread, (void *)(intptr_t)cpu) != 0) fail("a thread");
  for (int cpu = 0; cpu < cpus; cpu++) sem_wait(&started);
  Dl_info allocator;
  if (!dladdr(dlsym(RTLD_DEFAULT, "malloc"), &allocator)) fail("dladdr");
  anonymous_bytes();
  baseline = anonymous_bytes();
  sem_post(&turns[records[0].cpu]);
  for (int cpu = 0; cpu < cpus; cpu++) pthread_join(threads[cpu], NULL);
  dprintf(1,
    "{\\"allocator\\":\\"%s\\",\\"peakBytes\\":%llu,\\"requestedAtPeakBytes\\":%llu,"
    "\\"usableAtPeakBytes\\":%llu,\\"endBytes\\":%llu,\\"elapsedNs\\":%llu,\\"samples\\":%d}\\n",
    allocator.dli_fname, (unsigned long long)peak.footprint, (unsigned long long)peak.requested,
    (unsigned long long)peak.usable, (unsigned long long)end.footprint,
    (unsigned long long)elapsed_ns, samples);
  return 0;
}
`;

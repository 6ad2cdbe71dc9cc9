/**
 * The library that is loaded into a program whose requests are recorded (LD_PRELOAD), as C. It writes what
 * the program asks of its allocator, and what it gets, into a shared mapping of a file: that is whole however
 * the program ends. The file's layout, little-endian:
 *
 * | offset | bytes | meaning |
 * |---|---|---|
 * | 0 | 8 | records asked for so far, also those for which there was no place |
 * | 8 | 4 | process that is recorded; 0 while there is none |
 * | 12 | 4 | threads so far |
 * | 16 | 4 | errno when the disk has no room for the file: then nothing is recorded |
 * | 64 | 32 each | record: kind (4; 0 while it is being written), thread (4), address (8), size (8), other (8) |
 *
 * A record is written before memory goes back to the allocator and after memory came from it: so the records
 * of one address are in the order of its uses, whatever the threads do. Realloc does both, and has two.
 */

export const SHIM_FILE_VARIABLE = "WINDLASS_ALLOC_RECORD";
export const SHIM_HEADER_BYTES = 64;
export const SHIM_RECORD_BYTES = 32;

/** `other` is the alignment of ALIGNED. `address` is 0 for requests that got none. */
export const shimKinds = {
  malloc: 1,
  free: 2,
  /** Of the old address. */
  reallocBegin: 3,
  /** `other` is the old address. */
  reallocEnd: 4,
  calloc: 5,
  aligned: 6,
  /** The process runs another program from here on (execve): nothing of before is there any more. */
  exec: 7,
} as const;

export const shimSource = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MALLOC = 1, FREE, REALLOC_BEGIN, REALLOC_END, CALLOC, ALIGNED, EXEC };

struct header {
  _Atomic uint64_t used;
  _Atomic uint32_t owner;
  _Atomic uint32_t threads;
  uint32_t no_room;
  char unused[44];
};

struct record {
  _Atomic uint32_t kind;
  uint32_t thread;
  uint64_t address;
  uint64_t size;
  uint64_t other;
};

/* Not in a child that fork makes: the kernel gives it a page of zeroes here (MADV_WIPEONFORK). */
struct recording {
  struct header *header;
  struct record *records;
  uint64_t capacity;
};

/* Initial-exec: the first access from a thread must not allocate. */
#define PER_THREAD static __thread __attribute__((tls_model("initial-exec")))
#define PUBLIC __attribute__((visibility("default")))

PER_THREAD uint32_t thread_number;
/* How many of our functions this thread is in: only what the program itself calls is recorded. */
PER_THREAD uint32_t depth;

static struct recording nothing;
static struct recording *recording = &nothing;

static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
static void *(*next_realloc)(void *, size_t);
static void *(*next_calloc)(size_t, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);
static void *(*next_aligned_alloc)(size_t, size_t);
static void *(*next_memalign)(size_t, size_t);
static void *(*next_valloc)(size_t);
static void *(*next_pvalloc)(size_t);

/* dlsym may allocate while it looks for the allocator. Such objects are never given back. */
static _Alignas(16) char early[65536];
static _Atomic size_t early_used;

static void *early_malloc(size_t size) {
  size_t room = ((size + 15) & ~(size_t)15) + 16;
  if (size > sizeof early) return NULL;
  size_t at = atomic_fetch_add(&early_used, room);
  if (at + room > sizeof early) return NULL;
  *(size_t *)(early + at) = size;
  return early + at + 16;
}

static int is_early(const void *object) {
  return (const char *)object >= early && (const char *)object < early + sizeof early;
}

static void start_recording(void) {
  const char *path = getenv("${SHIM_FILE_VARIABLE}");
  if (!path) return;
  int file = open(path, O_RDWR | O_CLOEXEC);
  struct stat status;
  if (file < 0) return;
  if (fstat(file, &status) == 0 && status.st_size > (off_t)sizeof(struct header)) {
    size_t size = (size_t)status.st_size;
    struct header *header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    struct recording *own = mmap(NULL, sizeof *own, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t nobody = 0, self = (uint32_t)getpid();
    if (header != MAP_FAILED && own != MAP_FAILED &&
        madvise(own, sizeof *own, MADV_WIPEONFORK) == 0) {
      int is_first = atomic_compare_exchange_strong(&header->owner, &nobody, self);
      /* Without room on the disk, writing to the mapping would kill the program. */
      if (is_first) header->no_room = (uint32_t)posix_fallocate(file, 0, status.st_size);
      if (header->no_room == 0 && (is_first || nobody == self)) {
        own->header = header;
        own->records = (struct record *)(header + 1);
        own->capacity = (size - sizeof *header) / sizeof(struct record);
        recording = own;
      }
    }
  }
  close(file);
}

static void record(uint32_t kind, const void *address, size_t size, uint64_t other) {
  struct header *header = recording->header;
  if (!header) return;
  uint64_t index = atomic_fetch_add(&header->used, 1);
  if (index >= recording->capacity) {
    recording->header = NULL;
    return;
  }
  if (!thread_number) thread_number = atomic_fetch_add(&header->threads, 1) + 1;
  struct record *to = &recording->records[index];
  to->thread = thread_number - 1;
  to->address = (uint64_t)(uintptr_t)address;
  to->size = size;
  to->other = other;
  atomic_store_explicit(&to->kind, kind, memory_order_release);
}

/* Before main, in the loader's only thread: whatever allocates first, or the loader, comes here. */
static int is_set_up;

__attribute__((constructor)) static void set_up(void) {
  if (is_set_up) return;
  is_set_up = 1;
  int saved = errno;
  depth++;
  next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
  next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
  next_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
  next_posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
  next_aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
  next_memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
  next_valloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "valloc");
  next_pvalloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "pvalloc");
  /* The last one: until it is there, requests are early. */
  next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
  start_recording();
  depth--;
  struct header *header = recording->header;
  if (header && atomic_load(&header->used) > 0) {
    atomic_store(&header->threads, 0);
    record(EXEC, NULL, 0, 0);
  }
  errno = saved;
}

static int is_ready(void) {
  if (!next_malloc) set_up();
  return next_malloc != NULL;
}

PUBLIC void *malloc(size_t size) {
  if (!is_ready()) return early_malloc(size);
  depth++;
  void *object = next_malloc(size);
  if (--depth == 0) record(MALLOC, object, size, 0);
  return object;
}

PUBLIC void free(void *object) {
  if (!object || is_early(object) || !is_ready()) return;
  if (depth++ == 0) record(FREE, object, 0, 0);
  next_free(object);
  depth--;
}

PUBLIC void *calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) bytes = SIZE_MAX;
  if (!is_ready()) return early_malloc(bytes); /* never used before: zeroes */
  depth++;
  void *object = next_calloc(count, size);
  if (--depth == 0) record(CALLOC, object, bytes, 0);
  return object;
}

PUBLIC void *realloc(void *object, size_t size) {
  if (!is_ready() || is_early(object)) {
    void *copy = malloc(size);
    if (copy && object) {
      size_t had = *(size_t *)((char *)object - 16);
      memcpy(copy, object, had < size ? had : size);
    }
    return copy;
  }
  if (depth++ == 0 && object) record(REALLOC_BEGIN, object, 0, 0);
  void *moved = next_realloc(object, size);
  if (--depth == 0) {
    if (object) record(REALLOC_END, moved, size, (uint64_t)(uintptr_t)object);
    else record(MALLOC, moved, size, 0);
  }
  return moved;
}

PUBLIC int posix_memalign(void **to, size_t alignment, size_t size) {
  if (!is_ready() || !next_posix_memalign) return ENOMEM;
  depth++;
  int result = next_posix_memalign(to, alignment, size);
  if (--depth == 0) record(ALIGNED, result == 0 ? *to : NULL, size, alignment);
  return result;
}

static void *aligned(void *object, size_t alignment, size_t size) {
  if (--depth == 0) record(ALIGNED, object, size, alignment);
  return object;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size) {
  if (!is_ready() || !next_aligned_alloc) return NULL;
  depth++;
  return aligned(next_aligned_alloc(alignment, size), alignment, size);
}

PUBLIC void *memalign(size_t alignment, size_t size) {
  if (!is_ready() || !next_memalign) return NULL;
  depth++;
  return aligned(next_memalign(alignment, size), alignment, size);
}

PUBLIC void *valloc(size_t size) {
  if (!is_ready() || !next_valloc) return NULL;
  depth++;
  return aligned(next_valloc(size), (size_t)sysconf(_SC_PAGESIZE), size);
}

PUBLIC void *pvalloc(size_t size) {
  if (!is_ready() || !next_pvalloc) return NULL;
  depth++;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return aligned(next_pvalloc(size), page, (size + page - 1) / page * page);
}
`;

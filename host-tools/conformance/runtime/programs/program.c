/*
 * The runtime suite's program in C. Built twice: with shared libraries, and as one static file.
 *
 *   program cases ID,ID,... "" "ü€😀" "a b"    gives verdicts, see cases.json
 *   program exit N | abort | output            is looked at from outside
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum { MIB = 1 << 20 };
enum verdict { FAIL, PASS, SKIP };

static char detail[300];
static int argument_count;
static char **arguments;

static enum verdict say(enum verdict verdict, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(detail, sizeof detail, format, list);
  va_end(list);
  return verdict;
}

#define NEED(condition)                                                                            \
  do {                                                                                             \
    if (!(condition)) return say(FAIL, "line %d: %s (%s)", __LINE__, #condition, strerror(errno)); \
  } while (0)

static int64_t now_ms(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static int make_file(const char *name, const char *text) {
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text)) return -1;
  return fd;
}

/* start */

static enum verdict start_argv(void) {
  static const char *tail[] = {"", "ü€😀", "a b"};
  NEED(argument_count == 6);
  for (int i = 0; i < 3; i++) NEED(strcmp(arguments[3 + i], tail[i]) == 0);
  return PASS;
}

static enum verdict start_env(void) {
  const char *value = getenv("CASE_ENV");
  NEED(value && strcmp(value, "Grüße = \"世界\"") == 0);
  return PASS;
}

static enum verdict start_cwd(void) {
  char folder[4096];
  NEED(getcwd(folder, sizeof folder));
  NEED(getenv("CASE_FILES") && strcmp(folder, getenv("CASE_FILES")) == 0);
  return PASS;
}

static enum verdict stdio_in(void) {
  static unsigned char bytes[70001];
  size_t size = fread(bytes, 1, sizeof bytes, stdin);
  NEED(size == 70000);
  for (size_t i = 0; i < size; i++) NEED(bytes[i] == (unsigned char)(i * 7 + 3));
  return PASS;
}

/* threads */

static pthread_barrier_t all_there;
static __thread int own_value;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long sum;

static void *meet(void *number) {
  pthread_barrier_wait(&all_there);
  return number;
}

static void *keep_own(void *number) {
  own_value = (int)(intptr_t)number;
  pthread_barrier_wait(&all_there);
  return (void *)(intptr_t)own_value;
}

static void *count_up(void *number) {
  for (int i = 0; i < 100000; i++) {
    pthread_mutex_lock(&lock);
    sum++;
    pthread_mutex_unlock(&lock);
  }
  return number;
}

static enum verdict run_threads(int count, void *(*body)(void *)) {
  pthread_t threads[64];
  pthread_barrier_init(&all_there, NULL, count);
  for (intptr_t i = 0; i < count; i++) NEED(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
  for (intptr_t i = 0; i < count; i++) {
    void *result;
    NEED(pthread_join(threads[i], &result) == 0);
    NEED(result == (void *)i);
  }
  pthread_barrier_destroy(&all_there);
  return PASS;
}

static enum verdict thread_create(void) { return run_threads(64, meet); }
static enum verdict thread_tls(void) { return run_threads(8, keep_own); }

static enum verdict thread_mutex(void) {
  sum = 0;
  enum verdict verdict = run_threads(4, count_up);
  if (verdict == PASS) NEED(sum == 400000);
  return verdict;
}

static void *end_early(void *number) {
  pthread_exit((void *)((intptr_t)number + 41));
  return NULL;
}

static enum verdict thread_join_exit(void) {
  pthread_t thread;
  void *result;
  NEED(pthread_create(&thread, NULL, end_early, (void *)1) == 0);
  NEED(pthread_join(thread, &result) == 0);
  NEED(result == (void *)42);
  return PASS;
}

/* time */

static enum verdict timer_sleep(void) {
  int64_t start = now_ms(CLOCK_MONOTONIC);
  usleep(50000);
  int64_t taken = now_ms(CLOCK_MONOTONIC) - start;
  NEED(taken >= 49 && taken < 5000);
  return say(PASS, "%lld ms", (long long)taken);
}

static enum verdict timer_monotonic(void) {
  struct timespec last = {0, 0}, next;
  for (int i = 0; i < 100000; i++) {
    clock_gettime(CLOCK_MONOTONIC, &next);
    NEED(next.tv_sec > last.tv_sec || (next.tv_sec == last.tv_sec && next.tv_nsec >= last.tv_nsec));
    last = next;
  }
  return PASS;
}

static enum verdict timers_in_order(void) {
  struct pollfd timers[100];
  uint64_t times;
  for (int i = 0; i < 100; i++) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    NEED(fd >= 0);
    struct itimerspec when = {{0, 0}, {0, (i + 1) * 2000000L}};
    NEED(timerfd_settime(fd, 0, &when, NULL) == 0);
    timers[i] = (struct pollfd){fd, POLLIN, 0};
  }
  for (int next = 0; next < 100;) {
    NEED(poll(timers + next, 100 - next, 10000) > 0);
    int last = 99;
    while (!timers[last].revents) last--;
    /* poll() may have looked at an earlier one before it fired, but by now that must have. */
    for (; next <= last; next++) {
      NEED(read(timers[next].fd, &times, sizeof times) == sizeof times && times == 1);
      close(timers[next].fd);
    }
  }
  return PASS;
}

static enum verdict timer_100(void) {
  /* On one CPU: each has timers of its own, and the interrupt of another may be late. */
  cpu_set_t all, one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  NEED(sched_getaffinity(0, sizeof all, &all) == 0 && sched_setaffinity(0, sizeof one, &one) == 0);
  enum verdict verdict = timers_in_order();
  NEED(sched_setaffinity(0, sizeof all, &all) == 0);
  return verdict;
}

static enum verdict time_tz(void) {
  time_t zero = 0;
  struct tm local;
  tzset();
  localtime_r(&zero, &local);
  NEED(local.tm_hour == 5 && local.tm_min == 30);
  return PASS;
}

static enum verdict random_bytes(void) {
  unsigned char first[32], second[32];
  NEED(getrandom(first, 32, 0) == 32);
  int fd = open("/dev/urandom", O_RDONLY);
  NEED(fd >= 0 && read(fd, second, 32) == 32);
  close(fd);
  NEED(memcmp(first, second, 32) != 0);
  return PASS;
}

/* names */

static int ask_server(const char *name, unsigned char *answer, int size) {
  struct __res_state state;
  memset(&state, 0, sizeof state);
  if (res_ninit(&state) != 0) return -2;
  state.nscount = 1;
  state.nsaddr_list[0].sin_family = AF_INET;
  state.nsaddr_list[0].sin_port = htons(atoi(getenv("CASE_DNS_PORT")));
  inet_pton(AF_INET, getenv("CASE_HOST"), &state.nsaddr_list[0].sin_addr);
  int length = res_nquery(&state, name, ns_c_in, ns_t_a, answer, size);
  h_errno = state.res_h_errno;
  res_nclose(&state);
  return length;
}

static enum verdict dns_a(void) {
  unsigned char answer[512];
  ns_msg message;
  ns_rr record;
  int length = ask_server("present.conformance.test", answer, sizeof answer);
  NEED(length > 0);
  NEED(ns_initparse(answer, length, &message) == 0);
  NEED(ns_msg_count(message, ns_s_an) == 1 && ns_parserr(&message, ns_s_an, 0, &record) == 0);
  static const unsigned char address[4] = {192, 0, 2, 33};
  NEED(ns_rr_rdlen(record) == 4 && memcmp(ns_rr_rdata(record), address, 4) == 0);
  return PASS;
}

static enum verdict dns_nx(void) {
  unsigned char answer[512];
  NEED(ask_server("absent.conformance.test", answer, sizeof answer) == -1);
  NEED(h_errno == HOST_NOT_FOUND);
  return PASS;
}

static enum verdict dns_hosts(void) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  int error = getaddrinfo("localhost", NULL, &hints, &found);
  if (error) return say(FAIL, "getaddrinfo: %s", gai_strerror(error));
  NEED(((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  freeaddrinfo(found);
  return PASS;
}

/* network */

static int listen_on(int family, int type, struct sockaddr_storage *address, socklen_t *size) {
  memset(address, 0, sizeof *address);
  address->ss_family = family;
  if (family == AF_INET) ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (family == AF_INET6) ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
  if (family == AF_UNIX) strcpy(((struct sockaddr_un *)address)->sun_path, "case.sock");
  *size = family == AF_INET    ? sizeof(struct sockaddr_in)
          : family == AF_INET6 ? sizeof(struct sockaddr_in6)
                               : sizeof(struct sockaddr_un);
  int fd = socket(family, type, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)address, *size) != 0) return -1;
  if (type == SOCK_STREAM && listen(fd, 32) != 0) return -1;
  if (family != AF_UNIX && getsockname(fd, (struct sockaddr *)address, size) != 0) return -1;
  return fd;
}

static enum verdict tcp_listen(void) {
  struct sockaddr_storage address;
  socklen_t size;
  int server = listen_on(AF_INET, SOCK_STREAM, &address, &size);
  NEED(server >= 0);
  NEED(ntohs(((struct sockaddr_in *)&address)->sin_port) > 0);
  close(server);
  return PASS;
}

static enum verdict connect_pair(int family, int *client, int *peer) {
  struct sockaddr_storage address, from, own;
  socklen_t size, from_size = sizeof from, own_size = sizeof own;
  int server = listen_on(family, SOCK_STREAM, &address, &size);
  NEED(server >= 0);
  *client = socket(family, SOCK_STREAM, 0);
  NEED(connect(*client, (struct sockaddr *)&address, size) == 0);
  *peer = accept(server, (struct sockaddr *)&from, &from_size);
  NEED(*peer >= 0);
  if (family == AF_INET) {
    NEED(getsockname(*client, (struct sockaddr *)&own, &own_size) == 0);
    NEED(memcmp(&from, &own, sizeof(struct sockaddr_in)) == 0);
  }
  close(server);
  return PASS;
}

static void *echo(void *socket) {
  int fd = (int)(intptr_t)socket;
  char buffer[65536];
  ssize_t size;
  while ((size = read(fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t done = 0; done < size;) {
      ssize_t count = write(fd, buffer + done, size - done);
      if (count <= 0) return NULL;
      done += count;
    }
  }
  shutdown(fd, SHUT_WR);
  return NULL;
}

static void *send_mib(void *socket) {
  int fd = (int)(intptr_t)socket;
  char buffer[4096];
  for (int at = 0; at < MIB; at += sizeof buffer) {
    for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = (char)((at + i) * 31 >> 3);
    for (size_t done = 0; done < sizeof buffer;) {
      ssize_t count = write(fd, buffer + done, sizeof buffer - done);
      if (count <= 0) return NULL;
      done += count;
    }
  }
  shutdown(fd, SHUT_WR);
  return NULL;
}

static enum verdict echo_over(int family) {
  int client, peer;
  pthread_t server, sender;
  enum verdict verdict = connect_pair(family, &client, &peer);
  if (verdict != PASS) return verdict;
  NEED(pthread_create(&server, NULL, echo, (void *)(intptr_t)peer) == 0);
  NEED(pthread_create(&sender, NULL, send_mib, (void *)(intptr_t)client) == 0);
  static char buffer[65536];
  ssize_t size;
  long at = 0;
  while ((size = read(client, buffer, sizeof buffer)) > 0) {
    for (ssize_t i = 0; i < size; i++, at++) NEED(buffer[i] == (char)((size_t)at * 31 >> 3));
  }
  pthread_join(sender, NULL);
  pthread_join(server, NULL);
  close(client);
  close(peer);
  NEED(at == MIB);
  return PASS;
}

static enum verdict tcp_accept(void) {
  int client, peer;
  enum verdict verdict = connect_pair(AF_INET, &client, &peer);
  if (verdict == PASS) close(client), close(peer);
  return verdict;
}

static enum verdict tcp_echo(void) { return echo_over(AF_INET); }

static enum verdict unix_socket(void) {
  unlink("case.sock");
  enum verdict verdict = echo_over(AF_UNIX);
  unlink("case.sock");
  return verdict;
}

static enum verdict ipv6_loopback(void) { return echo_over(AF_INET6); }

static enum verdict tcp_connect_refused(void) {
  struct sockaddr_storage address;
  socklen_t size;
  int server = listen_on(AF_INET, SOCK_STREAM, &address, &size);
  NEED(server >= 0);
  close(server);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  NEED(connect(client, (struct sockaddr *)&address, size) == -1);
  NEED(errno == ECONNREFUSED);
  close(client);
  return PASS;
}

static enum verdict tcp_backlog(void) {
  struct sockaddr_storage address;
  socklen_t size;
  int clients[16];
  int server = listen_on(AF_INET, SOCK_STREAM, &address, &size);
  NEED(server >= 0);
  for (int i = 0; i < 16; i++) {
    clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    NEED(connect(clients[i], (struct sockaddr *)&address, size) == 0);
  }
  for (int i = 0; i < 16; i++) {
    int peer = accept(server, NULL, NULL);
    NEED(peer >= 0);
    close(peer);
    close(clients[i]);
  }
  close(server);
  return PASS;
}

static enum verdict tcp_halfclose(void) {
  int client, peer;
  char byte = 0;
  enum verdict verdict = connect_pair(AF_INET, &client, &peer);
  if (verdict != PASS) return verdict;
  NEED(shutdown(client, SHUT_WR) == 0);
  NEED(read(peer, &byte, 1) == 0);
  NEED(write(peer, "x", 1) == 1);
  NEED(read(client, &byte, 1) == 1 && byte == 'x');
  close(client);
  close(peer);
  return PASS;
}

static enum verdict udp_echo(void) {
  struct sockaddr_storage address, from;
  socklen_t size, from_size = sizeof from;
  char text[16] = "";
  int server = listen_on(AF_INET, SOCK_DGRAM, &address, &size);
  int client = socket(AF_INET, SOCK_DGRAM, 0);
  NEED(server >= 0 && client >= 0);
  NEED(sendto(client, "datagram", 8, 0, (struct sockaddr *)&address, size) == 8);
  NEED(recvfrom(server, text, sizeof text, 0, (struct sockaddr *)&from, &from_size) == 8);
  NEED(sendto(server, text, 8, 0, (struct sockaddr *)&from, from_size) == 8);
  memset(text, 0, sizeof text);
  NEED(recv(client, text, sizeof text, 0) == 8 && strcmp(text, "datagram") == 0);
  close(server);
  close(client);
  return PASS;
}

/* files */

static enum verdict fs_create(void) {
  int fd = open("created", O_WRONLY | O_CREAT | O_EXCL, 0600);
  NEED(fd >= 0);
  close(fd);
  NEED(open("created", O_WRONLY | O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST);
  return PASS;
}

static enum verdict fs_read(void) {
  char text[8] = "";
  int fd = make_file("read", "0123456789");
  NEED(fd >= 0);
  NEED(pread(fd, text, 4, 3) == 4 && strcmp(text, "3456") == 0);
  NEED(pread(fd, text, 4, 10) == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_append(void) {
  char text[16] = "";
  int fd = make_file("appended", "one");
  close(fd);
  fd = open("appended", O_RDWR | O_APPEND);
  NEED(fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "two", 3) == 3);
  NEED(pread(fd, text, 16, 0) == 6 && strcmp(text, "onetwo") == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_rename(void) {
  char text[8] = "";
  close(make_file("from", "new"));
  close(make_file("to", "old"));
  NEED(rename("from", "to") == 0);
  NEED(access("from", F_OK) == -1 && errno == ENOENT);
  int fd = open("to", O_RDONLY);
  NEED(read(fd, text, 8) == 3 && strcmp(text, "new") == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_unlink(void) {
  char text[8] = "";
  int fd = make_file("gone", "still");
  NEED(unlink("gone") == 0);
  NEED(open("gone", O_RDONLY) == -1 && errno == ENOENT);
  NEED(pread(fd, text, 8, 0) == 5 && strcmp(text, "still") == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_mkdir(void) {
  NEED(mkdir("folder", 0755) == 0);
  NEED(mkdir("folder", 0755) == -1 && errno == EEXIST);
  close(make_file("folder/file", ""));
  NEED(rmdir("folder") == -1 && (errno == ENOTEMPTY || errno == EEXIST));
  NEED(unlink("folder/file") == 0 && rmdir("folder") == 0);
  return PASS;
}

static enum verdict fs_readdir(void) {
  char seen[100] = "", name[32];
  int count = 0, number;
  NEED(mkdir("many", 0755) == 0);
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof name, "many/%d", i);
    close(make_file(name, ""));
  }
  DIR *folder = opendir("many");
  NEED(folder);
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (sscanf(entry->d_name, "%d", &number) != 1) continue;
    NEED(number >= 0 && number < 100 && !seen[number]);
    seen[number] = 1;
    count++;
  }
  closedir(folder);
  NEED(count == 100);
  return PASS;
}

static enum verdict fs_stat(void) {
  struct stat found;
  int fd = make_file("looked-at", "12345");
  NEED(fchmod(fd, 0640) == 0 && stat("looked-at", &found) == 0);
  close(fd);
  NEED(S_ISREG(found.st_mode) && (found.st_mode & 0777) == 0640 && found.st_size == 5);
  NEED(llabs((long long)found.st_mtime - (long long)time(NULL)) < 5);
  return PASS;
}

static enum verdict fs_symlink(void) {
  char text[16] = "";
  close(make_file("target", "content"));
  NEED(symlink("target", "link") == 0);
  NEED(readlink("link", text, sizeof text) == 6 && strcmp(text, "target") == 0);
  int fd = open("link", O_RDONLY);
  NEED(read(fd, text, sizeof text) == 7 && strcmp(text, "content") == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_trunc(void) {
  char text[8] = "xxxxxxx";
  int fd = make_file("cut", "abcdef");
  NEED(ftruncate(fd, 2) == 0 && ftruncate(fd, 4) == 0);
  NEED(pread(fd, text, 8, 0) == 4 && memcmp(text, "ab\0\0", 4) == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_fsync(void) {
  int fd = make_file("synced", "bytes");
  NEED(fsync(fd) == 0);
  close(fd);
  return PASS;
}

static enum verdict fs_locks(void) {
  int first = make_file("locked", ""), second = open("locked", O_RDWR);
  NEED(flock(first, LOCK_EX) == 0);
  NEED(flock(second, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
  NEED(flock(first, LOCK_UN) == 0 && flock(second, LOCK_EX | LOCK_NB) == 0);
  close(first);
  close(second);
  return PASS;
}

static enum verdict fs_ro(void) {
  char device[300], path[300], type[64], options[1024], name[400];
  FILE *mounts = fopen("/proc/self/mounts", "r");
  NEED(mounts);
  while (fscanf(mounts, "%299s %299s %63s %1023s %*d %*d", device, path, type, options) == 4) {
    struct stat found;
    if (strncmp(options, "ro", 2) != 0 || stat(path, &found) != 0 || !S_ISDIR(found.st_mode)) continue;
    snprintf(name, sizeof name, "%s/windlass-case", path);
    NEED(open(name, O_WRONLY | O_CREAT, 0600) == -1 && errno == EROFS);
    fclose(mounts);
    return say(PASS, "%s", path);
  }
  fclose(mounts);
  return say(SKIP, "nothing is mounted read-only");
}

static enum verdict fs_tmp(void) {
  char name[] = "/tmp/windlass-case-XXXXXX";
  int fd = mkstemp(name);
  NEED(fd >= 0 && write(fd, "x", 1) == 1);
  close(fd);
  NEED(unlink(name) == 0);
  return PASS;
}

static enum verdict mmap_anon(void) {
  char *bytes = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(bytes != MAP_FAILED);
  for (int i = 0; i < 4 * MIB; i += 4096) NEED(bytes[i] == 0);
  memset(bytes, 1, 4 * MIB);
  NEED(bytes[4 * MIB - 1] == 1 && munmap(bytes, 4 * MIB) == 0);
  return PASS;
}

static enum verdict mmap_file(void) {
  int fd = make_file("mapped", "mapped bytes");
  char *bytes = mmap(NULL, 12, PROT_READ, MAP_PRIVATE, fd, 0);
  NEED(bytes != MAP_FAILED && memcmp(bytes, "mapped bytes", 12) == 0);
  munmap(bytes, 12);
  close(fd);
  return PASS;
}

static enum verdict mmap_shared(void) {
  char text[8] = "";
  int fd = make_file("shared", "before");
  char *bytes = mmap(NULL, 6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  NEED(bytes != MAP_FAILED);
  memcpy(bytes, "after!", 6);
  NEED(msync(bytes, 6, MS_SYNC) == 0 && pread(fd, text, 6, 0) == 6 && strcmp(text, "after!") == 0);
  munmap(bytes, 6);
  close(fd);
  return PASS;
}

/*
 * x86 fetches an aligned 8 bytes as one, which a just-in-time compiler builds on: Intel's manual, volume 3A, 9.1.1
 * and 9.1.3. Mixed, "mov al, 17; ret" and "mov ah, 34; ret" give 34 or 17 in the other's register.
 */
enum { CODE_SWAPS = 400000 };
static atomic_int code_swaps_left;

static void *swap_code(void *code) {
  static const unsigned char forms[2][8] = {{0xb0, 17, 0xc3}, {0xb4, 34, 0xc3}};
  while (atomic_fetch_sub(&code_swaps_left, 1) > 0) {
    uint64_t form;
    memcpy(&form, forms[code_swaps_left & 1], sizeof form);
    *(volatile uint64_t *)code = form;
  }
  return NULL;
}

static enum verdict mmap_code(void) {
#ifdef __x86_64__
  int prot = PROT_READ | PROT_WRITE | PROT_EXEC;
  void *code = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(code != MAP_FAILED);
  memcpy(code, "\xb0\x11\xc3", 3);
  pthread_t swapper;
  atomic_store(&code_swaps_left, CODE_SWAPS);
  NEED(pthread_create(&swapper, NULL, swap_code, code) == 0);
  long calls = 0, mixes = 0;
  for (; atomic_load(&code_swaps_left) > 0; calls++) {
    unsigned long result = 0;
    /* Over the red zone, which the call would write to. */
    __asm__ volatile("sub $128, %%rsp; call *%1; add $128, %%rsp" : "+a"(result) : "r"(code) : "memory", "cc");
    if (result != 17 && result != 34 << 8) mixes++;
  }
  NEED(pthread_join(swapper, NULL) == 0 && munmap(code, 4096) == 0);
  if (mixes > 0) return say(FAIL, "%ld of %ld calls ran a mix", mixes, calls);
  return PASS;
#else
  return say(SKIP, "written for x86-64");
#endif
}

/* signals */

static volatile sig_atomic_t caught;
static void catch_signal(int number) { caught = number; }

static enum verdict signal_self(int number) {
  struct sigaction action = {.sa_handler = catch_signal};
  caught = 0;
  NEED(sigaction(number, &action, NULL) == 0);
  NEED(kill(getpid(), number) == 0);
  for (int i = 0; i < 1000 && caught == 0; i++) usleep(1000);
  signal(number, SIG_DFL);
  NEED(caught == number);
  return PASS;
}

static enum verdict sig_term(void) { return signal_self(SIGTERM); }
static enum verdict sig_int(void) { return signal_self(SIGINT); }
static enum verdict sig_usr1(void) { return signal_self(SIGUSR1); }

static enum verdict sig_alarm(void) {
  struct sigaction action = {.sa_handler = catch_signal};
  struct itimerval when = {{0, 0}, {0, 20000}};
  caught = 0;
  NEED(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &when, NULL) == 0);
  for (int i = 0; i < 5000 && caught == 0; i++) usleep(1000);
  NEED(caught == SIGALRM);
  return PASS;
}

static enum verdict sig_pipe(void) {
  int ends[2];
  signal(SIGPIPE, SIG_IGN);
  NEED(pipe(ends) == 0);
  close(ends[0]);
  NEED(write(ends[1], "x", 1) == -1 && errno == EPIPE);
  close(ends[1]);
  return PASS;
}

/* processes */

extern char **environ;

static enum verdict proc_spawn(void) {
  char *child_arguments[] = {arguments[0], "exit", "7", NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  int status;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  NEED((errno = posix_spawn(&child, "/proc/self/exe", &actions, NULL, child_arguments, environ)) == 0);
  NEED(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  return PASS;
}

static enum verdict proc_fork(void) {
  int ends[2], value = 41, status;
  NEED(pipe(ends) == 0);
  pid_t child = fork();
  NEED(child >= 0);
  if (child == 0) {
    value++;
    _exit(write(ends[1], &value, sizeof value) == sizeof value ? 0 : 1);
  }
  int told = 0;
  NEED(read(ends[0], &told, sizeof told) == sizeof told && told == 42 && value == 41);
  NEED(waitpid(child, &status, 0) == child && status == 0);
  close(ends[0]);
  close(ends[1]);
  return PASS;
}

static int file_has(const char *path, const char *text) {
  static char content[65536];
  int fd = open(path, O_RDONLY);
  ssize_t size = fd < 0 ? 0 : read(fd, content, sizeof content - 1);
  if (fd >= 0) close(fd);
  content[size > 0 ? size : 0] = 0;
  return strstr(content, text) != NULL;
}

static enum verdict proc_self(void) {
  char path[4096] = "";
  NEED(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && access(path, X_OK) == 0);
  NEED(file_has("/proc/cpuinfo", "processor"));
  NEED(file_has("/proc/meminfo", "MemTotal"));
  return PASS;
}

/* limits and the rest */

static enum verdict mem_limit(void) {
  char *bytes = malloc(64 * MIB);
  NEED(bytes);
  for (int i = 0; i < 64 * MIB; i += 4096) bytes[i] = (char)(i >> 12);
  for (int i = 0; i < 64 * MIB; i += 4096) NEED(bytes[i] == (char)(i >> 12));
  free(bytes);
  return PASS;
}

static enum verdict mem_oom(void) {
  volatile size_t size = (size_t)1 << 46;
  void *bytes = malloc(size);
  NEED(bytes == NULL && errno == ENOMEM);
  return PASS;
}

static enum verdict cpu_count(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  const char *meant = getenv("CASE_CPUS");
  if (!meant) return say(SKIP, "nobody said how many there are to be");
  NEED(count == atol(meant));
  return say(PASS, "%ld", count);
}

static enum verdict rlimit_nofile(void) {
  int files[400];
  for (int i = 0; i < 400; i++) NEED((files[i] = open("/dev/null", O_RDONLY)) >= 0);
  for (int i = 0; i < 400; i++) close(files[i]);
  return PASS;
}

static enum verdict locale_utf8(void) {
  wchar_t text[8];
  NEED(setlocale(LC_ALL, ""));
  NEED(mbstowcs(text, "ü€😀", 8) == 3 && text[2] == 0x1f600);
  return PASS;
}

static enum verdict load_library(void) {
#ifdef STATIC_PROGRAM
  return say(SKIP, "a static program has no dynamic linker");
#else
  char path[4200];
  snprintf(path, sizeof path, "%s/library.so", getenv("CASE_FILES"));
  void *library = dlopen(path, RTLD_NOW);
  if (!library) return say(FAIL, "%s", dlerror());
  int (*answer)(void) = (int (*)(void))dlsym(library, "windlass_answer");
  NEED(answer && answer() == 42);
  dlclose(library);
  return PASS;
#endif
}

static enum verdict gc_stress(void) {
  enum { KEPT = 1000 };
  static unsigned char *kept[KEPT];
  unsigned seed = 1;
  for (long total = 0; total < 200L * MIB;) {
    seed = seed * 1103515245 + 12345;
    size_t size = 16 + (seed >> 16) % 4096, slot = (seed >> 8) % KEPT;
    if (kept[slot]) NEED(kept[slot][0] == (unsigned char)slot);
    free(kept[slot]);
    NEED((kept[slot] = malloc(size)));
    memset(kept[slot], (int)slot, size);
    total += (long)size;
  }
  for (int slot = 0; slot < KEPT; slot++) free(kept[slot]);
  return PASS;
}

static enum verdict no_library(void) { return say(SKIP, "C's library has none"); }

static const struct {
  const char *id;
  enum verdict (*run)(void);
} cases[] = {
    {"start.argv", start_argv},
    {"start.env", start_env},
    {"start.cwd", start_cwd},
    {"stdio.in", stdio_in},
    {"thread.create", thread_create},
    {"thread.tls", thread_tls},
    {"thread.mutex", thread_mutex},
    {"thread.join.exit", thread_join_exit},
    {"timer.sleep", timer_sleep},
    {"timer.monotonic", timer_monotonic},
    {"timer.100", timer_100},
    {"time.tz", time_tz},
    {"rand", random_bytes},
    {"dns.a", dns_a},
    {"dns.hosts", dns_hosts},
    {"dns.nx", dns_nx},
    {"tcp.listen", tcp_listen},
    {"tcp.accept", tcp_accept},
    {"tcp.echo", tcp_echo},
    {"tcp.connect.refused", tcp_connect_refused},
    {"tcp.backlog", tcp_backlog},
    {"tcp.halfclose", tcp_halfclose},
    {"udp.echo", udp_echo},
    {"ipv6.loopback", ipv6_loopback},
    {"unix.socket", unix_socket},
    {"tls.client", no_library},
    {"tls.server", no_library},
    {"http.server", no_library},
    {"fs.create", fs_create},
    {"fs.read", fs_read},
    {"fs.append", fs_append},
    {"fs.rename", fs_rename},
    {"fs.unlink", fs_unlink},
    {"fs.mkdir", fs_mkdir},
    {"fs.readdir", fs_readdir},
    {"fs.stat", fs_stat},
    {"fs.symlink", fs_symlink},
    {"fs.trunc", fs_trunc},
    {"fs.fsync", fs_fsync},
    {"fs.locks", fs_locks},
    {"fs.ro", fs_ro},
    {"fs.tmp", fs_tmp},
    {"mmap.anon", mmap_anon},
    {"mmap.file", mmap_file},
    {"mmap.shared", mmap_shared},
    {"mmap.code", mmap_code},
    {"sig.term", sig_term},
    {"sig.int", sig_int},
    {"sig.usr1", sig_usr1},
    {"sig.alarm", sig_alarm},
    {"sig.pipe", sig_pipe},
    {"proc.spawn", proc_spawn},
    {"proc.fork", proc_fork},
    {"proc.self", proc_self},
    {"mem.limit", mem_limit},
    {"mem.oom", mem_oom},
    {"cpu.count", cpu_count},
    {"rlimit.nofile", rlimit_nofile},
    {"locale.utf8", locale_utf8},
    {"dlopen", load_library},
    {"gc.stress", gc_stress},
};

static int run_cases(char *list) {
  static const char *words[] = {"FAIL", "PASS", "SKIP"};
  int counts[3] = {0, 0, 0}, all = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (char *id = strtok(list, ","); id; id = strtok(NULL, ",")) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      if (strcmp(cases[i].id, id) != 0) continue;
      detail[0] = 0;
      errno = 0;
      enum verdict verdict = cases[i].run();
      printf("CASE %s %s %s\n", id, words[verdict], detail);
      counts[verdict]++;
      all++;
    }
  }
  printf("SUMMARY %d %d %d %d\n", all, counts[PASS], counts[FAIL], counts[SKIP]);
  return 0;
}

static int write_output(void) {
  fputs("to standard error\n", stderr);
  for (int i = 0; i < MIB; i++) putchar('a' + i % 26);
  return fflush(stdout);
}

int main(int count, char **words) {
  argument_count = count;
  arguments = words;
  const char *mode = count > 1 ? words[1] : "";
  if (strcmp(mode, "cases") == 0 && count > 2) return run_cases(words[2]);
  if (strcmp(mode, "exit") == 0 && count > 2) {
    printf("NOW %lld\n", (long long)now_ms(CLOCK_REALTIME));
    exit(atoi(words[2]));
  }
  if (strcmp(mode, "abort") == 0) abort();
  if (strcmp(mode, "output") == 0) return write_output();
  fputs("usage: program cases IDS | exit N | abort | output\n", stderr);
  return 2;
}

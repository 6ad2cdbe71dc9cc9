/* An HTTP server with nothing but the C library: one connection at a time. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void end(int signal_number) {
  (void)signal_number;
  _exit(0);
}

static int listen_on(unsigned short port) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int yes = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) {
    perror("cannot listen");
    exit(1);
  }
  return listener;
}

/* Reads to the empty line that ends a request's head. */
static void read_head(int connection) {
  char head[8192];
  size_t length = 0;
  while (length < sizeof head - 1) {
    ssize_t got = read(connection, head + length, sizeof head - 1 - length);
    if (got <= 0) return;
    length += (size_t)got;
    head[length] = 0;
    if (strstr(head, "\r\n\r\n")) return;
  }
}

static void answer(int connection) {
  char body[128], reply[512], now[32];
  time_t seconds = time(NULL);
  struct timeval patience = {.tv_sec = 10};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  read_head(connection);
  strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
  int body_length = snprintf(body, sizeof body, "Hello from Windlass\nC, %s\n", now);
  int length = snprintf(reply, sizeof reply,
                        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n"
                        "content-length: %d\r\n\r\n%s",
                        body_length, body);
  for (int sent = 0; sent < length;) {
    ssize_t wrote = write(connection, reply + sent, (size_t)(length - sent));
    if (wrote <= 0) break;
    sent += (int)wrote;
  }
  close(connection);
}

int main(void) {
  const char *port = getenv("PORT");
  signal(SIGTERM, end);
  signal(SIGPIPE, SIG_IGN);
  int listener = listen_on((unsigned short)atoi(port ? port : "8080"));
  for (;;) {
    int connection = accept(listener, NULL, NULL);
    if (connection >= 0) answer(connection);
  }
}

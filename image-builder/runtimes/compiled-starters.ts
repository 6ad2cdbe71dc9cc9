/** Sources that `windlass init` writes for compiled languages: the same as in examples/, which a test checks. */

export const GO_SERVER = String.raw`package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		now := time.Now().UTC().Format(time.RFC3339)
		fmt.Fprintf(answer, "Hello from Windlass\n%s, %s\n", runtime.Version(), now)
	})
	server := &http.Server{Addr: ":" + port, ReadHeaderTimeout: 10 * time.Second}
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-asked.Done()
		ended <- server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
}
`;

export const RUST_SERVER = String.raw`//! An HTTP server with nothing but the standard library.
use std::env;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const HEAD_MAX_BYTES: u64 = 64 * 1024;

fn main() -> Result<()> {
    end_on_sigterm();
    let port = env::var("PORT").unwrap_or_else(|_| "8080".into());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    for connection in listener.incoming() {
        thread::spawn(move || connection.and_then(answer));
    }
    Ok(())
}

fn answer(mut connection: TcpStream) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(connection.try_clone()?.take(HEAD_MAX_BYTES)).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let body = format!("Hello from Windlass\nRust, {now} seconds since 1970\n");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n";
    write!(connection, "{head}content-length: {}\r\n\r\n{body}", body.len())
}

/// The standard library knows no signals; these two are in every libc.
fn end_on_sigterm() {
    extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
        fn _exit(status: i32) -> !;
    }
    extern "C" fn end(_: i32) {
        unsafe { _exit(0) }
    }
    const SIGTERM: i32 = 15;
    unsafe { signal(SIGTERM, end) };
}
`;

export const C_SERVER = String.raw`/* An HTTP server with nothing but the C library: one connection at a time. */
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
`;

export const JAVA_SERVER = String.raw`import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/** An HTTP server with nothing but the JDK. */
public final class Main {
  public static void main(String[] args) throws IOException {
    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
    HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
    server.createContext("/", Main::answer);
    server.start();
    // A JVM that a signal ends has the status 143; this one was asked to end, and has.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      server.stop(0);
      Runtime.getRuntime().halt(0);
    }));
  }

  private static void answer(HttpExchange exchange) throws IOException {
    String text = "Hello from Windlass\nJava " + Runtime.version() + ", " + Instant.now() + "\n";
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(200, body.length);
    try (exchange) {
      exchange.getResponseBody().write(body);
    }
  }
}
`;

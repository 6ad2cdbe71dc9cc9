//! An HTTP server with nothing but the standard library.
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

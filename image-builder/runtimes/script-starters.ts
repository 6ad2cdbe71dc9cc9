/** Sources that `windlass init` writes for Python and Ruby: the same as in examples/, which a test checks. */

export const PYTHON_SERVER = String.raw`import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"Hello from Windlass\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def main():
    # As for every program, SIGTERM is how it is asked to end: here with status 0.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    server = ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler)
    print("listening on", server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()
`;

export const RUBY_SERVER = String.raw`require "socket"

# Lines are in the logs as they are printed.
$stdout.sync = true

# As for every program, SIGTERM is how it is asked to end: here with status 0.
trap("TERM") { exit }

server = TCPServer.new("0.0.0.0", Integer(ENV.fetch("PORT", "8080")))
puts "listening on #{server.addr[1]}"

loop do
  Thread.new(server.accept) do |client|
    while (line = client.gets) && line != "\r\n"; end
    body = "Hello from Windlass\n"
    client.write "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" \
                 "Content-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}"
  ensure
    client.close
  end
end
`;

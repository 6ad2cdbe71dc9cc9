require "socket"

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

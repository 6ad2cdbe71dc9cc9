import com.sun.net.httpserver.HttpExchange;
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

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.net.ConnectException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.URL;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.Hashtable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.naming.NameNotFoundException;
import javax.naming.directory.InitialDirContext;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * The runtime suite's program for Java.
 *
 * <pre>
 *   java Program cases ID,ID,... "" "ü€😀" "a b"      gives verdicts, see cases.json
 *   java Program exit N | abort | output | lock FILE  is looked at from outside
 * </pre>
 */
public final class Program {
  private static final int MIB = 1 << 20;
  private static final String TEXT = "ü€😀";
  private static final Map<String, String> ENVIRONMENT = System.getenv();

  private static String[] words;

  /** Of library.so. */
  private static native int answer();

  private static final class Skip extends Exception {
    private static final long serialVersionUID = 1;

    Skip(String why) {
      super(why);
    }
  }

  /** A case: throws what is wrong. */
  private interface Check {
    void run() throws Exception;
  }

  private static void need(boolean condition, Object what) {
    if (!condition) throw new AssertionError(what);
  }

  private static <E extends Exception> E needThrown(Class<E> type, Check action) throws Exception {
    try {
      action.run();
    } catch (Exception error) {
      need(type.isInstance(error), error + " in place of " + type.getSimpleName());
      return type.cast(error);
    }
    throw new AssertionError("no " + type.getSimpleName());
  }

  private static Check noWay(String why) {
    return () -> {
      throw new Skip(why);
    };
  }

  private static Path makeFile(String name, String text) throws IOException {
    return Files.writeString(Path.of(name), text);
  }

  /* start */

  private static void startArgv() {
    String[] tail = Arrays.copyOfRange(words, 2, words.length);
    need(Arrays.equals(tail, new String[] {"", TEXT, "a b"}), Arrays.toString(tail));
  }

  private static void startEnv() {
    String value = ENVIRONMENT.get("CASE_ENV");
    need("Grüße = \"世界\"".equals(value), value);
  }

  private static void startCwd() {
    String folder = System.getProperty("user.dir");
    need(folder.equals(ENVIRONMENT.get("CASE_FILES")), folder);
  }

  private static void stdioIn() throws IOException {
    byte[] found = System.in.readAllBytes();
    need(found.length == 70_000, found.length + " bytes");
    for (int i = 0; i < found.length; i++) need(found[i] == (byte) (i * 7 + 3), "other bytes");
  }

  /* threads */

  private interface Body {
    int run(int index) throws Exception;
  }

  /** Runs it in threads, each with its number; their results in order. */
  private static int[] runThreads(int count, Body body) throws Exception {
    List<FutureTask<Integer>> tasks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int index = i;
      tasks.add(new FutureTask<>(() -> body.run(index)));
      new Thread(tasks.get(i)).start();
    }
    int[] results = new int[count];
    for (int i = 0; i < count; i++) results[i] = tasks.get(i).get();
    return results;
  }

  private static void needInOrder(int[] values) {
    for (int i = 0; i < values.length; i++) need(values[i] == i, Arrays.toString(values));
  }

  private static void threadCreate() throws Exception {
    CyclicBarrier meeting = new CyclicBarrier(64);
    Set<Thread> seen = ConcurrentHashMap.newKeySet();
    needInOrder(
        runThreads(
            64,
            index -> {
              seen.add(Thread.currentThread());
              meeting.await();
              return index;
            }));
    need(seen.size() == 64, seen.size() + " threads");
  }

  private static void threadTls() throws Exception {
    ThreadLocal<Integer> own = new ThreadLocal<>();
    CyclicBarrier meeting = new CyclicBarrier(8);
    needInOrder(
        runThreads(
            8,
            index -> {
              own.set(index);
              meeting.await();
              return own.get();
            }));
  }

  private static int sum;

  private static void threadMutex() throws Exception {
    Object lock = new Object();
    runThreads(
        4,
        index -> {
          for (int turn = 0; turn < 100_000; turn++) {
            synchronized (lock) {
              sum++;
            }
          }
          return 0;
        });
    need(sum == 400_000, sum);
  }

  private static void threadJoinExit() throws Exception {
    int[] result = new int[1];
    Thread thread = new Thread(() -> result[0] = 42);
    thread.start();
    thread.join();
    need(result[0] == 42, result[0]);
  }

  /* time */

  private static void timerSleep() throws Exception {
    long start = System.nanoTime();
    Thread.sleep(50);
    long taken = (System.nanoTime() - start) / 1_000_000;
    need(taken >= 49 && taken < 5000, taken + " ms");
  }

  private static void timerMonotonic() {
    long last = System.nanoTime();
    for (int turn = 0; turn < 100_000; turn++) {
      long next = System.nanoTime();
      need(next - last >= 0, "it went back");
      last = next;
    }
  }

  private static void timer100() throws Exception {
    // One thread: the timers are run in the order in which they fire.
    ScheduledThreadPoolExecutor timers = new ScheduledThreadPoolExecutor(1);
    List<Integer> fired = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      int index = i;
      timers.schedule(() -> fired.add(index), (i + 1) * 2L, TimeUnit.MILLISECONDS);
    }
    timers.shutdown();
    need(timers.awaitTermination(10, TimeUnit.SECONDS), "they never ended");
    needInOrder(fired.stream().mapToInt(Integer::intValue).toArray());
    need(fired.size() == 100, fired.size() + " fired");
  }

  private static void timeTz() {
    LocalTime local = Instant.EPOCH.atZone(ZoneId.systemDefault()).toLocalTime();
    need(local.equals(LocalTime.of(5, 30)), ZoneId.systemDefault() + " " + local);
  }

  private static void random() {
    byte[] first = new byte[32];
    byte[] second = new byte[32];
    SecureRandom source = new SecureRandom();
    source.nextBytes(first);
    source.nextBytes(second);
    need(!Arrays.equals(first, second), "the same twice");
  }

  /* names */

  private static List<Object> lookUp(String name) throws Exception {
    Hashtable<String, String> settings = new Hashtable<>();
    settings.put("java.naming.factory.initial", "com.sun.jndi.dns.DnsContextFactory");
    String server = ENVIRONMENT.get("CASE_HOST") + ":" + ENVIRONMENT.get("CASE_DNS_PORT");
    settings.put("java.naming.provider.url", "dns://" + server);
    InitialDirContext context = new InitialDirContext(settings);
    try {
      var found = context.getAttributes(name, new String[] {"A"}).get("A");
      List<Object> addresses = new ArrayList<>();
      for (int i = 0; i < found.size(); i++) addresses.add(found.get(i));
      return addresses;
    } finally {
      context.close();
    }
  }

  private static void dnsA() throws Exception {
    List<Object> found = lookUp("present.conformance.test");
    need(found.equals(List.of("192.0.2.33")), found);
  }

  private static void dnsHosts() throws Exception {
    List<String> found = new ArrayList<>();
    for (InetAddress address : InetAddress.getAllByName("localhost")) {
      if (address instanceof Inet4Address) found.add(address.getHostAddress());
    }
    need(found.contains("127.0.0.1"), found);
  }

  private static void dnsNx() throws Exception {
    needThrown(NameNotFoundException.class, () -> lookUp("absent.conformance.test"));
  }

  /* network */

  private static ServerSocket listen(String address) throws IOException {
    return new ServerSocket(0, 32, InetAddress.getByName(address));
  }

  private static Socket connect(ServerSocket server) throws IOException {
    return new Socket(server.getInetAddress(), server.getLocalPort());
  }

  private static byte[] pattern() {
    byte[] bytes = new byte[MIB];
    for (int i = 0; i < MIB; i++) bytes[i] = (byte) (i * 31 >> 3);
    return bytes;
  }

  /** Echoes on one side, sends 1 MiB on the other, and looks at what comes back. */
  private static void echo(SocketChannel client, SocketChannel peer) throws Exception {
    byte[] sent = pattern();
    FutureTask<Void> echo =
        task(
            () -> {
              Channels.newInputStream(peer).transferTo(Channels.newOutputStream(peer));
              peer.shutdownOutput();
            });
    FutureTask<Void> send =
        task(
            () -> {
              ByteBuffer bytes = ByteBuffer.wrap(sent);
              while (bytes.hasRemaining()) client.write(bytes);
              client.shutdownOutput();
            });
    try (client; peer) {
      // A channel's own stream would hold the sender's lock while it waits.
      ByteBuffer found = ByteBuffer.allocate(MIB + 1);
      while (client.read(found) >= 0) need(found.hasRemaining(), "more bytes came back");
      echo.get();
      send.get();
      need(Arrays.equals(Arrays.copyOf(found.array(), found.position()), sent), "other bytes");
    }
  }

  private static FutureTask<Void> task(Check body) {
    FutureTask<Void> task =
        new FutureTask<>(
            () -> {
              body.run();
              return null;
            });
    new Thread(task).start();
    return task;
  }

  private static void echoOver(String address) throws Exception {
    try (ServerSocketChannel server = ServerSocketChannel.open()) {
      server.bind(new InetSocketAddress(address, 0));
      SocketChannel client = SocketChannel.open(server.getLocalAddress());
      echo(client, server.accept());
    }
  }

  private static void unixSocket() throws Exception {
    UnixDomainSocketAddress address = UnixDomainSocketAddress.of("case.sock");
    try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      server.bind(address);
      SocketChannel client = SocketChannel.open(address);
      echo(client, server.accept());
    } finally {
      Files.deleteIfExists(address.getPath());
    }
  }

  private static void tcpListen() throws Exception {
    try (ServerSocket server = listen("127.0.0.1")) {
      need(server.getLocalPort() > 0, "no port");
    }
  }

  private static void tcpAccept() throws Exception {
    try (ServerSocket server = listen("127.0.0.1");
        Socket client = connect(server);
        Socket peer = server.accept()) {
      need(peer.getRemoteSocketAddress().equals(client.getLocalSocketAddress()), "another peer");
    }
  }

  private static void tcpConnectRefused() throws Exception {
    ServerSocket server = listen("127.0.0.1");
    server.close();
    needThrown(ConnectException.class, () -> connect(server).close());
  }

  private static void tcpBacklog() throws Exception {
    try (ServerSocket server = listen("127.0.0.1")) {
      List<Socket> clients = new ArrayList<>();
      for (int i = 0; i < 16; i++) clients.add(connect(server));
      for (Socket client : clients) {
        server.accept().close();
        client.close();
      }
    }
  }

  private static void tcpHalfclose() throws Exception {
    try (ServerSocket server = listen("127.0.0.1");
        Socket client = connect(server);
        Socket peer = server.accept()) {
      client.shutdownOutput();
      need(peer.getInputStream().read() == -1, "no end");
      peer.getOutputStream().write('x');
      need(client.getInputStream().read() == 'x', "nothing came");
    }
  }

  private static void udpEcho() throws Exception {
    InetAddress here = InetAddress.getByName("127.0.0.1");
    try (DatagramSocket server = new DatagramSocket(0, here);
        DatagramSocket client = new DatagramSocket(0, here)) {
      byte[] text = "datagram".getBytes(StandardCharsets.US_ASCII);
      client.send(new DatagramPacket(text, text.length, here, server.getLocalPort()));
      DatagramPacket packet = new DatagramPacket(new byte[64], 64);
      server.receive(packet);
      server.send(packet);
      DatagramPacket reply = new DatagramPacket(new byte[64], 64);
      client.receive(reply);
      need(Arrays.equals(Arrays.copyOf(reply.getData(), reply.getLength()), text), "other bytes");
    }
  }

  private static Certificate certificate(String file) throws Exception {
    byte[] bytes = Files.readAllBytes(Path.of(file));
    return CertificateFactory.getInstance("X.509")
        .generateCertificate(new ByteArrayInputStream(bytes));
  }

  private static KeyStore emptyStore() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    return store;
  }

  private static String tlsLine(Socket plain, String authority) throws Exception {
    KeyStore store = emptyStore();
    store.setCertificateEntry("authority", certificate(authority));
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    String name = ENVIRONMENT.get("CASE_TLS_NAME");
    try (SSLSocket socket =
        (SSLSocket) context.getSocketFactory().createSocket(plain, name, plain.getPort(), true)) {
      SSLParameters parameters = socket.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      socket.setSSLParameters(parameters);
      return new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
    }
  }

  private static void tlsClient() throws Exception {
    String host = ENVIRONMENT.get("CASE_HOST");
    int port = Integer.parseInt(ENVIRONMENT.get("CASE_TLS_PORT"));
    String text = tlsLine(new Socket(host, port), "ca.pem");
    need(text.equals("hello over TLS\n"), text);
    needThrown(
        SSLHandshakeException.class, () -> tlsLine(new Socket(host, port), "other-ca.pem"));
  }

  private static void tlsServer() throws Exception {
    String pem = Files.readString(Path.of("server.key")).replaceAll("-----[^-]+-----|\\s", "");
    PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
    KeyStore store = emptyStore();
    Certificate[] chain = {certificate("server.pem")};
    store.setKeyEntry("key", KeyFactory.getInstance("EC").generatePrivate(encoded), new char[0], chain);
    KeyManagerFactory keys =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), null, null);
    InetAddress here = InetAddress.getByName("127.0.0.1");
    try (ServerSocket server = context.getServerSocketFactory().createServerSocket(0, 1, here)) {
      FutureTask<Void> serve =
          task(
              () -> {
                try (Socket peer = server.accept()) {
                  peer.getOutputStream().write("served".getBytes(StandardCharsets.US_ASCII));
                }
              });
      String text = tlsLine(connect(server), "ca.pem");
      serve.get();
      need(text.equals("served"), text);
    }
  }

  private static void httpServer() throws Exception {
    InetAddress here = InetAddress.getByName("127.0.0.1");
    HttpServer server = HttpServer.create(new InetSocketAddress(here, 0), 1);
    Set<InetSocketAddress> clients = ConcurrentHashMap.newKeySet();
    server.createContext(
        "/",
        exchange -> {
          clients.add(exchange.getRemoteAddress());
          byte[] body = exchange.getRequestURI().getPath().getBytes(StandardCharsets.US_ASCII);
          exchange.sendResponseHeaders(200, body.length);
          try (OutputStream output = exchange.getResponseBody()) {
            output.write(body);
          }
        });
    server.start();
    try {
      for (String path : List.of("/one", "/two")) {
        URL url = new URL("http", "127.0.0.1", server.getAddress().getPort(), path);
        try (InputStream reply = url.openStream()) {
          String text = new String(reply.readAllBytes(), StandardCharsets.US_ASCII);
          need(text.equals(path), text);
        }
      }
    } finally {
      server.stop(0);
    }
    need(clients.size() == 1, clients.size() + " connections");
  }

  /* files */

  private static void fsCreate() throws Exception {
    Files.createFile(Path.of("created"));
    needThrown(FileAlreadyExistsException.class, () -> Files.createFile(Path.of("created")));
  }

  private static void fsRead() throws Exception {
    try (FileChannel file = FileChannel.open(makeFile("read", "0123456789"))) {
      ByteBuffer bytes = ByteBuffer.allocate(4);
      need(file.read(bytes, 3) == 4, "not all of it");
      need(new String(bytes.array(), StandardCharsets.US_ASCII).equals("3456"), "other bytes");
      need(file.read(bytes.clear(), 10) == -1, "bytes behind the end");
    }
  }

  private static void fsAppend() throws Exception {
    Path file = makeFile("appended", "one");
    Files.writeString(file, "two", StandardOpenOption.APPEND);
    need(Files.readString(file).equals("onetwo"), "not at the end");
  }

  private static void fsRename() throws Exception {
    Path from = makeFile("from", "new");
    Path to = makeFile("to", "old");
    Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    need(Files.readString(to).equals("new") && Files.notExists(from), "not replaced");
  }

  private static void fsUnlink() throws Exception {
    Path path = makeFile("gone", "still");
    try (InputStream file = Files.newInputStream(path)) {
      Files.delete(path);
      needThrown(NoSuchFileException.class, () -> Files.newInputStream(path).close());
      String text = new String(file.readAllBytes(), StandardCharsets.US_ASCII);
      need(text.equals("still"), "not readable any more");
    }
  }

  private static void fsMkdir() throws Exception {
    Path folder = Files.createDirectory(Path.of("folder"));
    needThrown(FileAlreadyExistsException.class, () -> Files.createDirectory(folder));
    Path file = makeFile("folder/file", "");
    needThrown(DirectoryNotEmptyException.class, () -> Files.delete(folder));
    Files.delete(file);
    Files.delete(folder);
  }

  private static void fsReaddir() throws Exception {
    Path folder = Files.createDirectory(Path.of("many"));
    for (int i = 0; i < 100; i++) makeFile("many/" + i, "");
    List<Path> found = new ArrayList<>();
    try (var entries = Files.newDirectoryStream(folder)) {
      entries.forEach(found::add);
    }
    int names = new HashSet<>(found).size();
    need(found.size() == 100 && names == 100, found.size() + " names");
  }

  private static void fsStat() throws Exception {
    Path file = makeFile("looked-at", "12345");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
    PosixFileAttributes found = Files.readAttributes(file, PosixFileAttributes.class);
    need(found.isRegularFile() && found.size() == 5, "size or kind");
    need(PosixFilePermissions.toString(found.permissions()).equals("rw-r-----"), "mode");
    long age = found.lastModifiedTime().toMillis() - System.currentTimeMillis();
    need(Math.abs(age) < 5000, "time");
  }

  private static void fsSymlink() throws Exception {
    makeFile("target", "content");
    Path link = Files.createSymbolicLink(Path.of("link"), Path.of("target"));
    need(Files.readSymbolicLink(link).equals(Path.of("target")), "another target");
    need(Files.readString(link).equals("content"), "not followed");
  }

  private static void fsTrunc() throws Exception {
    Path path = makeFile("cut", "abcdef");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(2);
      file.setLength(4);
    }
    need(Arrays.equals(Files.readAllBytes(path), new byte[] {'a', 'b', 0, 0}), "other bytes");
  }

  private static void fsFsync() throws Exception {
    try (FileChannel file =
        FileChannel.open(makeFile("synced", "bytes"), StandardOpenOption.WRITE)) {
      file.force(true);
    }
  }

  /** Java's locks are the process's: another process asks whether there is one. */
  private static void fsLocks() throws Exception {
    Path path = makeFile("locked", "");
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
      try (var lock = file.lock()) {
        need(lock.isValid(), "no lock");
        need(runSelf("lock", "locked") == 3, "the lock kept nobody out");
      }
      need(runSelf("lock", "locked") == 0, "the lock stays");
    }
  }

  private static void tryLock(String name) throws IOException {
    try (FileChannel file = FileChannel.open(Path.of(name), StandardOpenOption.WRITE)) {
      System.exit(file.tryLock() == null ? 3 : 0);
    }
  }

  private static void fsRo() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/mounts"))) {
      String[] fields = line.split(" ");
      boolean isReadOnly = fields.length > 3 && fields[3].split(",")[0].equals("ro");
      if (!isReadOnly || !Files.isDirectory(Path.of(fields[1]))) continue;
      Path file = Path.of(fields[1], "windlass-case");
      Exception error = needThrown(FileSystemException.class, () -> Files.createFile(file));
      need(error.getMessage().contains("Read-only file system"), error);
      return;
    }
    throw new Skip("nothing is mounted read-only");
  }

  private static void fsTmp() throws Exception {
    Path file = Files.createTempFile(Path.of("/tmp"), "windlass-case-", "");
    Files.writeString(file, "x");
    Files.delete(file);
  }

  private static void mmapFile() throws Exception {
    try (FileChannel file = FileChannel.open(makeFile("mapped", "mapped bytes"))) {
      byte[] found = new byte[12];
      file.map(FileChannel.MapMode.READ_ONLY, 0, 12).get(found);
      need(new String(found, StandardCharsets.US_ASCII).equals("mapped bytes"), "other bytes");
    }
  }

  private static void mmapShared() throws Exception {
    Path path = makeFile("shared", "before");
    try (FileChannel file =
        FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      MappedByteBuffer memory = file.map(FileChannel.MapMode.READ_WRITE, 0, 6);
      memory.put("after!".getBytes(StandardCharsets.US_ASCII));
      memory.force();
    }
    need(Files.readString(path).equals("after!"), "not in the file");
  }

  /* signals */

  private static Check signalSelf(String name) {
    return () -> {
      CountDownLatch caught = new CountDownLatch(1);
      Signal signal = new Signal(name);
      SignalHandler before = Signal.handle(signal, ignored -> caught.countDown());
      Signal.raise(signal);
      need(caught.await(5, TimeUnit.SECONDS), "the handler did not run");
      Signal.handle(signal, before);
    };
  }

  private static void sigPipe() throws Exception {
    try (ServerSocket server = listen("127.0.0.1");
        Socket client = connect(server)) {
      server.accept().close();
      needThrown(
          IOException.class,
          () -> {
            for (int turn = 0; turn < 5000; turn++) {
              client.getOutputStream().write('x');
              Thread.sleep(1);
            }
          });
    }
  }

  /* processes, limits and the rest */

  private static int runSelf(String... arguments) throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin/java").toString();
    List<String> command = new ArrayList<>(List.of(java, "-XX:+UseSerialGC", "-Xmx64m", "-cp"));
    command.add(System.getProperty("java.class.path"));
    command.add("Program");
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command);
    return builder.redirectOutput(ProcessBuilder.Redirect.DISCARD).start().waitFor();
  }

  private static void procSpawn() throws Exception {
    int status = runSelf("exit", "7");
    need(status == 7, status);
  }

  private static void procSelf() throws Exception {
    Path own = Path.of("/proc/self/exe").toRealPath();
    need(own.equals(Path.of(System.getProperty("java.home"), "bin/java").toRealPath()), own);
    need(Files.readString(Path.of("/proc/cpuinfo")).contains("processor"), "cpuinfo");
    need(Files.readString(Path.of("/proc/meminfo")).contains("MemTotal"), "meminfo");
  }

  private static void memLimit() {
    byte[] memory = new byte[64 * MIB];
    Arrays.fill(memory, (byte) 7);
    need(memory[64 * MIB - 1] == 7, "other bytes");
  }

  private static void memOom() {
    try {
      // 16 GiB: more than the heap that the program was given.
      long[] memory = new long[Integer.MAX_VALUE - 8];
      need(memory.length == 0, "16 GiB were had");
    } catch (OutOfMemoryError expected) {
      need(expected.getMessage() != null, "no words");
    }
  }

  private static void cpuCount() throws Skip {
    String meant = ENVIRONMENT.get("CASE_CPUS");
    if (meant == null) throw new Skip("nobody said how many there are to be");
    int count = Runtime.getRuntime().availableProcessors();
    need(count == Integer.parseInt(meant), count);
  }

  private static void rlimitNofile() throws Exception {
    List<FileInputStream> files = new ArrayList<>();
    for (int i = 0; i < 400; i++) files.add(new FileInputStream("/dev/null"));
    for (FileInputStream file : files) file.close();
  }

  private static void localeUtf8() throws Exception {
    need(TEXT.codePointCount(0, TEXT.length()) == 3, "another length");
    need(TEXT.getBytes(StandardCharsets.UTF_8).length == 9, "other bytes");
    makeFile(TEXT, "");
    try (var entries = Files.newDirectoryStream(Path.of("."))) {
      for (Path entry : entries) {
        if (entry.getFileName().toString().equals(TEXT)) return;
      }
    }
    throw new AssertionError("another name");
  }

  private static void loadLibrary() {
    System.load(ENVIRONMENT.get("CASE_FILES") + "/library.so");
    need(answer() == 42, answer());
  }

  private record Kept(int slot, String text, int[] list) {}

  private static void gcStress() {
    Kept[] kept = new Kept[1000];
    for (int total = 0, turn = 0; total < 200 * MIB; turn++) {
      int slot = turn * 31 % kept.length;
      need(kept[slot] == null || kept[slot].slot() == slot, "another object");
      kept[slot] = new Kept(slot, "object " + turn, new int[1000]);
      total += 4000;
    }
  }

  private static final Map<String, Check> CASES = new LinkedHashMap<>();

  static {
    CASES.put("start.argv", Program::startArgv);
    CASES.put("start.env", Program::startEnv);
    CASES.put("start.cwd", Program::startCwd);
    CASES.put("stdio.in", Program::stdioIn);
    CASES.put("thread.create", Program::threadCreate);
    CASES.put("thread.tls", Program::threadTls);
    CASES.put("thread.mutex", Program::threadMutex);
    CASES.put("thread.join.exit", Program::threadJoinExit);
    CASES.put("timer.sleep", Program::timerSleep);
    CASES.put("timer.monotonic", Program::timerMonotonic);
    CASES.put("timer.100", Program::timer100);
    CASES.put("time.tz", Program::timeTz);
    CASES.put("rand", Program::random);
    CASES.put("dns.a", Program::dnsA);
    CASES.put("dns.hosts", Program::dnsHosts);
    CASES.put("dns.nx", Program::dnsNx);
    CASES.put("tcp.listen", Program::tcpListen);
    CASES.put("tcp.accept", Program::tcpAccept);
    CASES.put("tcp.echo", () -> echoOver("127.0.0.1"));
    CASES.put("tcp.connect.refused", Program::tcpConnectRefused);
    CASES.put("tcp.backlog", Program::tcpBacklog);
    CASES.put("tcp.halfclose", Program::tcpHalfclose);
    CASES.put("udp.echo", Program::udpEcho);
    CASES.put("ipv6.loopback", () -> echoOver("::1"));
    CASES.put("unix.socket", Program::unixSocket);
    CASES.put("tls.client", Program::tlsClient);
    CASES.put("tls.server", Program::tlsServer);
    CASES.put("http.server", Program::httpServer);
    CASES.put("fs.create", Program::fsCreate);
    CASES.put("fs.read", Program::fsRead);
    CASES.put("fs.append", Program::fsAppend);
    CASES.put("fs.rename", Program::fsRename);
    CASES.put("fs.unlink", Program::fsUnlink);
    CASES.put("fs.mkdir", Program::fsMkdir);
    CASES.put("fs.readdir", Program::fsReaddir);
    CASES.put("fs.stat", Program::fsStat);
    CASES.put("fs.symlink", Program::fsSymlink);
    CASES.put("fs.trunc", Program::fsTrunc);
    CASES.put("fs.fsync", Program::fsFsync);
    CASES.put("fs.locks", Program::fsLocks);
    CASES.put("fs.ro", Program::fsRo);
    CASES.put("fs.tmp", Program::fsTmp);
    CASES.put("mmap.anon", noWay("Java maps files only"));
    CASES.put("mmap.file", Program::mmapFile);
    CASES.put("mmap.shared", Program::mmapShared);
    CASES.put("mmap.code", noWay("Java writes no instructions"));
    CASES.put("sig.term", signalSelf("TERM"));
    CASES.put("sig.int", signalSelf("INT"));
    CASES.put("sig.usr1", signalSelf("USR1"));
    CASES.put("sig.alarm", noWay("Java has no alarm"));
    CASES.put("sig.pipe", Program::sigPipe);
    CASES.put("proc.spawn", Program::procSpawn);
    CASES.put("proc.fork", noWay("Java cannot fork its own process"));
    CASES.put("proc.self", Program::procSelf);
    CASES.put("mem.limit", Program::memLimit);
    CASES.put("mem.oom", Program::memOom);
    CASES.put("cpu.count", Program::cpuCount);
    CASES.put("rlimit.nofile", Program::rlimitNofile);
    CASES.put("locale.utf8", Program::localeUtf8);
    CASES.put("dlopen", Program::loadLibrary);
    CASES.put("gc.stress", Program::gcStress);
  }

  private static void runCases(String[] ids, PrintStream output) {
    Map<String, Integer> counts = new LinkedHashMap<>(Map.of());
    for (String verdict : List.of("PASS", "FAIL", "SKIP")) counts.put(verdict, 0);
    for (String id : ids) {
      String verdict = "PASS";
      String detail = "";
      try {
        CASES.get(id).run();
      } catch (Skip why) {
        verdict = "SKIP";
        detail = why.getMessage();
      } catch (Exception | AssertionError | LinkageError error) {
        verdict = "FAIL";
        detail = error.toString().lines().findFirst().orElse("");
      }
      counts.merge(verdict, 1, Integer::sum);
      output.println("CASE " + id + " " + verdict + " " + detail);
    }
    String numbers = counts.values().toString().replaceAll("[^0-9 ]", "");
    output.println("SUMMARY " + ids.length + " " + numbers);
  }

  public static void main(String[] arguments) throws Exception {
    words = arguments;
    String mode = arguments.length > 0 ? arguments[0] : "";
    String word = arguments.length > 1 ? arguments[1] : "";
    PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    switch (mode) {
      case "cases" -> runCases(word.split(","), output);
      case "exit" -> {
        output.println("NOW " + System.currentTimeMillis());
        System.exit(Integer.parseInt(word));
      }
      case "abort" -> output.println("SKIP Java has no abort()");
      case "output" -> {
        System.err.print("to standard error\n");
        output.print("abcdefghijklmnopqrstuvwxyz".repeat(40330).substring(0, MIB));
        output.flush();
      }
      case "lock" -> tryLock(word);
      default -> {
        System.err.println("usage: Program cases IDS | exit N | abort | output");
        System.exit(2);
      }
    }
  }
}

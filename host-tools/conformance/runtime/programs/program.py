"""
The runtime suite's program for Python.

  program.py cases ID,ID,... "" "ü€😀" "a b"    gives verdicts, see cases.json
  program.py exit N | abort | output            is looked at from outside
"""

import ctypes
import errno
import fcntl
import http.client
import http.server
import locale
import mmap
import os
import sched
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20
FILES = os.environ.get("CASE_FILES", "")


class Skip(Exception):
    pass


def need(condition, what):
    if not condition:
        raise AssertionError(what)


def need_errno(code, action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        need(error.errno == code, f"{error} in place of {errno.errorcode[code]}")
        return
    raise AssertionError(f"no {errno.errorcode[code]}")


def make_file(name, text=""):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def content(name):
    with open(name, "rb") as file:
        return file.read()


def no_way(what):
    def skip():
        raise Skip(what)

    return skip


# start


def start_argv():
    need(sys.argv[3:] == ["", "ü€😀", "a b"], repr(sys.argv))


def start_env():
    need(os.environ["CASE_ENV"] == 'Grüße = "世界"', repr(os.environ["CASE_ENV"]))


def start_cwd():
    need(os.getcwd() == FILES, os.getcwd())


def stdio_in():
    found = sys.stdin.buffer.read()
    need(len(found) == 70_000, f"{len(found)} bytes")
    need(found == bytes((index * 7 + 3) & 0xFF for index in range(70_000)), "other bytes")


# threads


def run_threads(count, body):
    """Runs a function in threads, each with its number; their results in order."""
    results = [None] * count

    def run(index):
        results[index] = body(index)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def thread_create():
    meeting = threading.Barrier(64)

    def meet(_index):
        meeting.wait()
        return threading.get_native_id()

    need(len(set(run_threads(64, meet))) == 64, "not 64 of them")


def thread_tls():
    own, meeting = threading.local(), threading.Barrier(8)

    def keep(index):
        own.value = index
        meeting.wait()
        return own.value

    need(run_threads(8, keep) == list(range(8)), "a value of another thread")


def thread_mutex():
    lock, total = threading.Lock(), [0]

    def count(_index):
        for _turn in range(100_000):
            with lock:
                total[0] += 1

    run_threads(4, count)
    need(total[0] == 400_000, str(total[0]))


def thread_join_exit():
    need(run_threads(1, lambda _index: 42) == [42], "another result")


# time


def timer_sleep():
    start = time.monotonic()
    time.sleep(0.05)
    taken = (time.monotonic() - start) * 1000
    need(49 <= taken < 5000, f"{taken} ms")
    return f"{taken:.0f} ms"


def timer_monotonic():
    last = time.monotonic_ns()
    for _turn in range(20_000):
        now = time.monotonic_ns()
        need(now >= last, "it went back")
        last = now


def timer_100():
    fired, timers = [], sched.scheduler(time.monotonic, time.sleep)
    start = time.monotonic()
    # Set in another order than theirs.
    for index in sorted(range(100), key=lambda index: index * 37 % 100):
        timers.enterabs(start + (index + 1) * 0.002, 1, fired.append, (index,))
    timers.run()
    need(fired == list(range(100)), "out of order")


def time_tz():
    local = time.localtime(0)
    need((local.tm_hour, local.tm_min) == (5, 30), time.asctime(local))


def random():
    need(os.urandom(32) != os.urandom(32), "the same twice")


# network


def dns_hosts():
    found = socket.getaddrinfo("localhost", None, socket.AF_INET, socket.SOCK_STREAM)
    need(found[0][4][0] == "127.0.0.1", repr(found))


def listen(family=socket.AF_INET, address=("127.0.0.1", 0)):
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen(32)
    return server


def connect_pair(family=socket.AF_INET, address=("127.0.0.1", 0)):
    with listen(family, address) as server:
        client = socket.socket(family, socket.SOCK_STREAM)
        client.connect(server.getsockname())
        return client, *server.accept()


def receive_all(peer):
    chunks = []
    while chunk := peer.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


def echo_over(*where):
    def check():
        client, peer, _address = connect_pair(*where)
        sent = bytes(index * 31 >> 3 & 0xFF for index in range(MIB))

        def echo():
            while chunk := peer.recv(65536):
                peer.sendall(chunk)
            peer.shutdown(socket.SHUT_WR)

        def send():
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)

        threads = [threading.Thread(target=body) for body in (echo, send)]
        for thread in threads:
            thread.start()
        with client, peer:
            found = receive_all(client)
            for thread in threads:
                thread.join()
        need(found == sent, "other bytes came back")

    return check


def tcp_listen():
    with listen() as server:
        need(server.getsockname()[1] > 0, "no port")


def tcp_accept():
    client, peer, address = connect_pair()
    with client, peer:
        need(address == client.getsockname(), repr(address))


def tcp_connect_refused():
    with listen() as server:
        address = server.getsockname()
    with socket.socket() as client:
        need_errno(errno.ECONNREFUSED, client.connect, address)


def tcp_backlog():
    with listen() as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(16)]
        for client in clients:
            server.accept()[0].close()
            client.close()


def tcp_halfclose():
    client, peer, _address = connect_pair()
    with client, peer:
        client.shutdown(socket.SHUT_WR)
        need(peer.recv(1) == b"", "no end")
        peer.sendall(b"x")
        need(client.recv(1) == b"x", "nothing came")


def udp_echo():
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(
        type=socket.SOCK_DGRAM
    ) as client:
        server.bind(("127.0.0.1", 0))
        client.sendto(b"datagram", server.getsockname())
        found, address = server.recvfrom(64)
        server.sendto(found, address)
        need(client.recv(64) == b"datagram", "other bytes")


def tls_line(address, authority):
    context = ssl.create_default_context(cafile=authority)
    with socket.create_connection(address) as plain:
        with context.wrap_socket(plain, server_hostname=os.environ["CASE_TLS_NAME"]) as secure:
            return receive_all(secure)


def tls_client():
    address = (os.environ["CASE_HOST"], int(os.environ["CASE_TLS_PORT"]))
    text = tls_line(address, "ca.pem")
    need(text == b"hello over TLS\n", repr(text))
    try:
        tls_line(address, "other-ca.pem")
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("a server of another authority is trusted")


def tls_server():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("server.pem", "server.key")
    with listen() as server:

        def serve():
            with context.wrap_socket(server.accept()[0], server_side=True) as peer:
                peer.sendall(b"served")

        thread = threading.Thread(target=serve)
        thread.start()
        text = tls_line(server.getsockname(), "ca.pem")
        thread.join()
    need(text == b"served", repr(text))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = 0

    def setup(self):
        super().setup()
        Handler.connections += 1

    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words):
        pass


def http_server():
    # Without the name of its address, which HTTPServer asks for.
    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = http.client.HTTPConnection(*server.server_address)
        try:
            for path in ("/one", "/two"):
                client.request("GET", path)
                text = client.getresponse().read().decode()
                need(text == path, text)
        finally:
            client.close()
            server.shutdown()
            thread.join()
    need(Handler.connections == 1, f"{Handler.connections} connections")


# files


def fs_create():
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    os.close(os.open("created", flags, 0o600))
    need_errno(errno.EEXIST, os.open, "created", flags, 0o600)


def fs_read():
    make_file("read", "0123456789")
    with open("read", "rb") as file:
        need(os.pread(file.fileno(), 4, 3) == b"3456", "other bytes")
        need(os.pread(file.fileno(), 4, 10) == b"", "bytes behind the end")


def fs_append():
    make_file("appended", "one")
    with open("appended", "a", encoding="utf-8") as file:
        file.write("two")
    need(content("appended") == b"onetwo", "not at the end")


def fs_rename():
    make_file("from", "new")
    make_file("to", "old")
    os.rename("from", "to")
    need(content("to") == b"new" and not os.path.exists("from"), "not replaced")


def fs_unlink():
    make_file("gone", "still")
    with open("gone", "rb") as file:
        os.unlink("gone")
        need_errno(errno.ENOENT, os.stat, "gone")
        need(file.read() == b"still", "not readable any more")


def fs_mkdir():
    os.mkdir("folder")
    need_errno(errno.EEXIST, os.mkdir, "folder")
    make_file("folder/file")
    need_errno(errno.ENOTEMPTY, os.rmdir, "folder")
    os.unlink("folder/file")
    os.rmdir("folder")


def fs_readdir():
    os.mkdir("many")
    for index in range(100):
        make_file(f"many/{index}")
    names = os.listdir("many")
    need(len(names) == 100 and len(set(names)) == 100, f"{len(names)} names")


def fs_stat():
    make_file("looked-at", "12345")
    os.chmod("looked-at", 0o640)
    found = os.stat("looked-at")
    need(found.st_mode == 0o100640 and found.st_size == 5, repr(found))
    need(abs(found.st_mtime - time.time()) < 5, "time")


def fs_symlink():
    make_file("target", "content")
    os.symlink("target", "link")
    need(os.readlink("link") == "target", "another target")
    need(content("link") == b"content", "not followed")


def fs_trunc():
    make_file("cut", "abcdef")
    os.truncate("cut", 2)
    os.truncate("cut", 4)
    need(content("cut") == b"ab\0\0", "other bytes")


def fs_fsync():
    with open("synced", "wb") as file:
        file.write(b"bytes")
        file.flush()
        os.fsync(file.fileno())


def fs_locks():
    make_file("locked")
    with open("locked", "rb") as first, open("locked", "rb") as second:
        fcntl.flock(first, fcntl.LOCK_EX)
        need_errno(errno.EWOULDBLOCK, fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(first, fcntl.LOCK_UN)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def fs_ro():
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            _device, path, _kind, options, *_rest = line.split(" ")
            if options.split(",")[0] != "ro" or not os.path.isdir(path):
                continue
            name = os.path.join(path, "windlass-case")
            need_errno(errno.EROFS, os.open, name, os.O_WRONLY | os.O_CREAT)
            return path
    raise Skip("nothing is mounted read-only")


def fs_tmp():
    with tempfile.NamedTemporaryFile(dir="/tmp", prefix="windlass-case-") as file:
        file.write(b"x")
        file.flush()
        need(os.path.getsize(file.name) == 1, "not written")


def mmap_anon():
    with mmap.mmap(-1, 4 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        need(memory[:] == bytes(4 * MIB), "not zero")
        memory[4 * MIB - 1] = 1
        need(memory[4 * MIB - 1] == 1, "not kept")


def mmap_file():
    make_file("mapped", "mapped bytes")
    with open("mapped", "rb") as file:
        with mmap.mmap(file.fileno(), 12, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as memory:
            need(memory[:] == b"mapped bytes", "other bytes")


def mmap_shared():
    make_file("shared", "before")
    with open("shared", "r+b") as file:
        with mmap.mmap(file.fileno(), 6) as memory:
            memory[:] = b"after!"
            memory.flush()
            need(content("shared") == b"after!", "not in the file")


# signals


def signal_by(number, raise_it):
    caught = threading.Event()
    before = signal.signal(number, lambda *_words: caught.set())
    try:
        raise_it()
        need(caught.wait(5), "the handler did not run")
    finally:
        signal.signal(number, before)


def signal_self(number):
    return lambda: signal_by(number, lambda: os.kill(os.getpid(), number))


def sig_alarm():
    signal_by(signal.SIGALRM, lambda: signal.setitimer(signal.ITIMER_REAL, 0.02))


def sig_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    need_errno(errno.EPIPE, os.write, writer, b"x")
    os.close(writer)


# processes, limits and the rest


def proc_spawn():
    command = [sys.executable, "-I", "-B", sys.argv[0], "exit", "7"]
    ended = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    need(ended.returncode == 7, str(ended.returncode))


def proc_fork():
    value = 41
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        value += 1
        os.write(writer, bytes([value]))
        os._exit(0)
    need(os.read(reader, 1) == b"\x2a" and value == 41, "another value")
    need(os.waitpid(child, 0)[1] == 0, "another status")
    os.close(reader)
    os.close(writer)


def proc_self():
    own = os.readlink("/proc/self/exe")
    need(own == os.path.realpath(sys.executable), own)
    need(b"processor" in content("/proc/cpuinfo"), "cpuinfo")
    need(b"MemTotal" in content("/proc/meminfo"), "meminfo")


def mem_limit():
    memory = bytearray(b"\x07") * (64 * MIB)
    need(memory[-1] == 7 and len(memory) == 64 * MIB, "other bytes")


def mem_oom():
    try:
        bytearray(1 << 46)
    except MemoryError:
        return
    raise AssertionError("64 TiB were had")


def cpu_count():
    meant = os.environ.get("CASE_CPUS")
    if meant is None:
        raise Skip("nobody said how many there are to be")
    count = len(os.sched_getaffinity(0))
    need(count == int(meant), str(count))
    return str(count)


def rlimit_nofile():
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(400)]
    for file in files:
        os.close(file)


def locale_utf8():
    text = "ü€😀"
    locale.setlocale(locale.LC_ALL, "")
    need(len(text) == 3 and len(os.fsencode(text)) == 9, "other lengths")
    need(locale.nl_langinfo(locale.CODESET) == "UTF-8", locale.nl_langinfo(locale.CODESET))
    make_file(text)
    need(text in os.listdir("."), "another name")


def load_library():
    answer = ctypes.CDLL(os.path.join(FILES, "library.so")).windlass_answer()
    need(answer == 42, str(answer))


def gc_stress():
    kept, total, turn = [None] * 1000, 0, 0
    while total < 200 * MIB:
        slot = turn * 31 % 1000
        need(kept[slot] is None or kept[slot]["slot"] == slot, "another object")
        kept[slot] = {"slot": slot, "bytes": bytes(4000), "self": None}
        # A cycle: only the collector frees it.
        kept[slot]["self"] = kept[slot]
        total += 4000
        turn += 1


NO_SERVER_OF_OWN = "Python's library asks the system's name servers only"

CASES = {
    "start.argv": start_argv,
    "start.env": start_env,
    "start.cwd": start_cwd,
    "stdio.in": stdio_in,
    "thread.create": thread_create,
    "thread.tls": thread_tls,
    "thread.mutex": thread_mutex,
    "thread.join.exit": thread_join_exit,
    "timer.sleep": timer_sleep,
    "timer.monotonic": timer_monotonic,
    "timer.100": timer_100,
    "time.tz": time_tz,
    "rand": random,
    "dns.a": no_way(NO_SERVER_OF_OWN),
    "dns.hosts": dns_hosts,
    "dns.nx": no_way(NO_SERVER_OF_OWN),
    "tcp.listen": tcp_listen,
    "tcp.accept": tcp_accept,
    "tcp.echo": echo_over(),
    "tcp.connect.refused": tcp_connect_refused,
    "tcp.backlog": tcp_backlog,
    "tcp.halfclose": tcp_halfclose,
    "udp.echo": udp_echo,
    "ipv6.loopback": echo_over(socket.AF_INET6, ("::1", 0)),
    "unix.socket": echo_over(socket.AF_UNIX, "case.sock"),
    "tls.client": tls_client,
    "tls.server": tls_server,
    "http.server": http_server,
    "fs.create": fs_create,
    "fs.read": fs_read,
    "fs.append": fs_append,
    "fs.rename": fs_rename,
    "fs.unlink": fs_unlink,
    "fs.mkdir": fs_mkdir,
    "fs.readdir": fs_readdir,
    "fs.stat": fs_stat,
    "fs.symlink": fs_symlink,
    "fs.trunc": fs_trunc,
    "fs.fsync": fs_fsync,
    "fs.locks": fs_locks,
    "fs.ro": fs_ro,
    "fs.tmp": fs_tmp,
    "mmap.anon": mmap_anon,
    "mmap.file": mmap_file,
    "mmap.shared": mmap_shared,
    "mmap.code": no_way("asked in C"),
    "sig.term": signal_self(signal.SIGTERM),
    "sig.int": signal_self(signal.SIGINT),
    "sig.usr1": signal_self(signal.SIGUSR1),
    "sig.alarm": sig_alarm,
    "sig.pipe": sig_pipe,
    "proc.spawn": proc_spawn,
    "proc.fork": proc_fork,
    "proc.self": proc_self,
    "mem.limit": mem_limit,
    "mem.oom": mem_oom,
    "cpu.count": cpu_count,
    "rlimit.nofile": rlimit_nofile,
    "locale.utf8": locale_utf8,
    "dlopen": load_library,
    "gc.stress": gc_stress,
}


def run_case(name):
    try:
        return "PASS", CASES[name]() or ""
    except Skip as why:
        return "SKIP", str(why)
    except Exception as error:  # The next case is asked all the same.
        return "FAIL", f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0]


def run_cases(names):
    counts = {"PASS": 0, "FAIL": 0, "SKIP": 0}
    for name in names:
        verdict, detail = run_case(name)
        counts[verdict] += 1
        print("CASE", name, verdict, detail, flush=True)
    print("SUMMARY", len(names), *counts.values(), flush=True)


def main(mode="", word="", *_rest):
    if mode == "cases":
        run_cases(word.split(","))
    elif mode == "exit":
        print("NOW", int(time.time() * 1000), flush=True)
        sys.exit(int(word))
    elif mode == "abort":
        os.abort()
    elif mode == "output":
        sys.stderr.write("to standard error\n")
        sys.stdout.write(("abcdefghijklmnopqrstuvwxyz" * 40330)[:MIB])
    else:
        sys.exit("usage: program.py cases IDS | exit N | abort | output")


main(*sys.argv[1:])

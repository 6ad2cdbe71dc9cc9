// The runtime suite's program for Go. Built twice: static, and with C (library_c.go, library_none.go).
//
//	program cases ID,ID,... "" "ü€😀" "a b"    gives verdicts, see cases.json
//	program exit N | abort | output            is looked at from outside
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
	"unsafe"
)

const mib = 1 << 20

type skip string

type failure string

func need(condition bool, format string, values ...any) {
	if !condition {
		panic(failure(fmt.Sprintf(format, values...)))
	}
}

func must[Value any](value Value, err error) Value {
	done(err)
	return value
}

func done(err error) {
	need(err == nil, "%v", err)
}

func needError(err error, want error) {
	need(errors.Is(err, want), "%v in place of %v", err, want)
}

func makeFile(name, text string) *os.File {
	file := must(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644))
	must(file.WriteString(text))
	return file
}

func needContent(name, text string) {
	content := must(os.ReadFile(name))
	need(string(content) == text, "%q", content)
}

func noWay(what string) func() string {
	return func() string { panic(skip(what)) }
}

func silent(run func()) func() string {
	return func() string {
		run()
		return ""
	}
}

/* start */

func startArgv() {
	want := []string{"", "ü€😀", "a b"}
	need(len(os.Args) == 6, "%d words", len(os.Args))
	for i, word := range want {
		need(os.Args[3+i] == word, "%q", os.Args[3+i])
	}
}

func startCwd() {
	folder := must(os.Getwd())
	need(folder == os.Getenv("CASE_FILES"), "%s", folder)
}

func stdioIn() {
	content := must(io.ReadAll(os.Stdin))
	need(len(content) == 70000, "%d bytes", len(content))
	for i, one := range content {
		need(one == byte(i*7+3), "another byte at %d", i)
	}
}

/* threads: goroutines, each on a thread of the system where that is the question */

func threadCreate() {
	const count = 64
	var meeting sync.WaitGroup
	meeting.Add(count)
	threads := make(chan int, count)
	for i := 0; i < count; i++ {
		go func() {
			runtime.LockOSThread() // Never unlocked: the thread ends with its goroutine.
			meeting.Done()
			meeting.Wait()
			threads <- syscall.Gettid()
		}()
	}
	seen := map[int]bool{}
	for i := 0; i < count; i++ {
		seen[<-threads] = true
	}
	need(len(seen) == count, "%d threads", len(seen))
}

func threadMutex() {
	var lock sync.Mutex
	var all sync.WaitGroup
	sum := 0
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for turn := 0; turn < 100000; turn++ {
				lock.Lock()
				sum++
				lock.Unlock()
			}
		}()
	}
	all.Wait()
	need(sum == 400000, "%d", sum)
}

func threadJoinExit() {
	result := make(chan int)
	go func() {
		defer func() { result <- 42 }()
		runtime.Goexit()
	}()
	value := <-result
	need(value == 42, "%d", value)
}

/* time */

func timerSleep() string {
	start := time.Now()
	time.Sleep(50 * time.Millisecond)
	taken := time.Since(start).Milliseconds()
	need(taken >= 49 && taken < 5000, "%d ms", taken)
	return fmt.Sprintf("%d ms", taken)
}

func timerMonotonic() {
	last := time.Now()
	for turn := 0; turn < 100000; turn++ {
		next := time.Now()
		need(next.Sub(last) >= 0, "it went back")
		last = next
	}
}

func timer100() {
	// One processor: each has timers of its own, and two of them may run two at the same time.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	timers := make([]*time.Timer, 100)
	waits := make([]reflect.SelectCase, len(timers))
	for i := range timers {
		timers[i] = time.NewTimer(time.Duration(i+1) * 2 * time.Millisecond)
		waits[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(timers[i].C)}
	}
	for next := 0; next < len(timers); next++ {
		// Of several that have fired it takes any: those before it must have fired too.
		more, _, _ := reflect.Select(waits[next:])
		for ; more > 0; more-- {
			select {
			case <-timers[next].C:
				next++
			default:
				need(false, "timer %d fired before timer %d", next+more, next)
			}
		}
	}
}

func timeTz() {
	local := time.Unix(0, 0).Local()
	need(local.Hour() == 5 && local.Minute() == 30, "%v", local)
}

func random() {
	first, second := make([]byte, 32), make([]byte, 32)
	must(rand.Read(first))
	must(rand.Read(second))
	need(!bytes.Equal(first, second), "the same twice")
}

/* names */

func lookUp(name string) ([]string, error) {
	server := net.JoinHostPort(os.Getenv("CASE_HOST"), os.Getenv("CASE_DNS_PORT"))
	resolver := net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, network, server)
		},
	}
	return resolver.LookupHost(context.Background(), name)
}

func dnsA() {
	found := must(lookUp("present.conformance.test."))
	need(len(found) == 1 && found[0] == "192.0.2.33", "%v", found)
}

func dnsHosts() {
	found := must(net.DefaultResolver.LookupIP(context.Background(), "ip4", "localhost"))
	need(len(found) > 0 && found[0].String() == "127.0.0.1", "%v", found)
}

func dnsNx() {
	found, err := lookUp("absent.conformance.test.")
	var unknown *net.DNSError
	need(errors.As(err, &unknown) && unknown.IsNotFound, "%v %v", found, err)
}

/* network */

func listen(network, address string) net.Listener {
	return must(net.Listen(network, address))
}

func connectPair(network, address string) (client, peer net.Conn) {
	server := listen(network, address)
	defer server.Close()
	client = must(net.Dial(network, server.Addr().String()))
	return client, must(server.Accept())
}

type halfCloser interface{ CloseWrite() error }

func echoOver(network, address string) {
	client, peer := connectPair(network, address)
	defer client.Close()
	defer peer.Close()
	sent := make([]byte, mib)
	for i := range sent {
		sent[i] = byte(i * 31 >> 3)
	}
	go func() {
		io.Copy(peer, peer)
		peer.(halfCloser).CloseWrite()
	}()
	go func() {
		client.Write(sent)
		client.(halfCloser).CloseWrite()
	}()
	need(bytes.Equal(must(io.ReadAll(client)), sent), "other bytes came back")
}

func tcpListen() {
	server := listen("tcp4", "127.0.0.1:0")
	defer server.Close()
	need(server.Addr().(*net.TCPAddr).Port > 0, "no port")
}

func tcpAccept() {
	client, peer := connectPair("tcp4", "127.0.0.1:0")
	defer client.Close()
	defer peer.Close()
	need(client.LocalAddr().String() == peer.RemoteAddr().String(), "another peer")
}

func tcpConnectRefused() {
	server := listen("tcp4", "127.0.0.1:0")
	address := server.Addr().String()
	server.Close()
	_, err := net.Dial("tcp4", address)
	needError(err, syscall.ECONNREFUSED)
}

func tcpBacklog() {
	server := listen("tcp4", "127.0.0.1:0")
	defer server.Close()
	for i := 0; i < 16; i++ {
		defer must(net.Dial("tcp4", server.Addr().String())).Close()
	}
	for i := 0; i < 16; i++ {
		must(server.Accept()).Close()
	}
}

func tcpHalfclose() {
	client, peer := connectPair("tcp4", "127.0.0.1:0")
	defer client.Close()
	done(client.(halfCloser).CloseWrite())
	need(len(must(io.ReadAll(peer))) == 0, "no end")
	must(peer.Write([]byte("x")))
	peer.Close()
	text := must(io.ReadAll(client))
	need(string(text) == "x", "%q", text)
}

func udpEcho() {
	server := must(net.ListenPacket("udp4", "127.0.0.1:0"))
	defer server.Close()
	client := must(net.Dial("udp4", server.LocalAddr().String()))
	defer client.Close()
	buffer := make([]byte, 64)
	must(client.Write([]byte("datagram")))
	size, from, err := server.ReadFrom(buffer)
	done(err)
	must(server.WriteTo(buffer[:size], from))
	size = must(client.Read(buffer))
	need(string(buffer[:size]) == "datagram", "%q", buffer[:size])
}

func authority(file string) *tls.Config {
	roots := x509.NewCertPool()
	need(roots.AppendCertsFromPEM(must(os.ReadFile(file))), "%s holds no certificate", file)
	return &tls.Config{RootCAs: roots, ServerName: os.Getenv("CASE_TLS_NAME")}
}

func tlsLine(address string, config *tls.Config) (string, error) {
	socket, err := tls.Dial("tcp", address, config)
	if err != nil {
		return "", err
	}
	defer socket.Close()
	text, err := io.ReadAll(socket)
	return string(text), err
}

func tlsClient() {
	address := net.JoinHostPort(os.Getenv("CASE_HOST"), os.Getenv("CASE_TLS_PORT"))
	text := must(tlsLine(address, authority("ca.pem")))
	need(text == "hello over TLS\n", "%q", text)
	_, err := tlsLine(address, authority("other-ca.pem"))
	var unknown x509.UnknownAuthorityError
	need(errors.As(err, &unknown), "a server of another authority: %v", err)
}

func tlsServer() {
	certificate := must(tls.LoadX509KeyPair("server.pem", "server.key"))
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	server := must(tls.Listen("tcp4", "127.0.0.1:0", config))
	defer server.Close()
	go func() {
		if socket, err := server.Accept(); err == nil {
			socket.Write([]byte("served"))
			socket.Close()
		}
	}()
	text := must(tlsLine(server.Addr().String(), authority("ca.pem")))
	need(text == "served", "%q", text)
}

func httpServer() {
	var lock sync.Mutex
	connections := 0
	socket := listen("tcp4", "127.0.0.1:0")
	server := http.Server{
		Handler: http.HandlerFunc(func(reply http.ResponseWriter, request *http.Request) {
			io.WriteString(reply, request.URL.Path)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			lock.Lock()
			defer lock.Unlock()
			if state == http.StateNew {
				connections++
			}
		},
	}
	go server.Serve(socket)
	defer server.Close()
	client := http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/one", "/two"} {
		reply := must(client.Get("http://" + socket.Addr().String() + path))
		text := must(io.ReadAll(reply.Body))
		reply.Body.Close()
		need(string(text) == path, "%q", text)
	}
	lock.Lock()
	defer lock.Unlock()
	need(connections == 1, "%d connections", connections)
}

/* files */

func fsCreate() {
	must(os.OpenFile("created", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)).Close()
	_, err := os.OpenFile("created", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	needError(err, syscall.EEXIST)
}

func fsRead() {
	file := makeFile("read", "0123456789")
	defer file.Close()
	text := make([]byte, 4)
	must(file.ReadAt(text, 3))
	need(string(text) == "3456", "%q", text)
	_, err := file.ReadAt(text, 10)
	needError(err, io.EOF)
}

func fsAppend() {
	makeFile("appended", "one").Close()
	file := must(os.OpenFile("appended", os.O_APPEND|os.O_WRONLY, 0))
	must(file.WriteString("two"))
	file.Close()
	needContent("appended", "onetwo")
}

func fsRename() {
	makeFile("from", "new").Close()
	makeFile("to", "old").Close()
	done(os.Rename("from", "to"))
	_, err := os.Stat("from")
	needError(err, syscall.ENOENT)
	needContent("to", "new")
}

func fsUnlink() {
	file := makeFile("gone", "still")
	defer file.Close()
	done(os.Remove("gone"))
	_, err := os.Open("gone")
	needError(err, syscall.ENOENT)
	text := make([]byte, 5)
	must(file.ReadAt(text, 0))
	need(string(text) == "still", "%q", text)
}

func fsMkdir() {
	done(os.Mkdir("folder", 0o755))
	needError(os.Mkdir("folder", 0o755), syscall.EEXIST)
	makeFile("folder/file", "").Close()
	needError(syscall.Rmdir("folder"), syscall.ENOTEMPTY)
	done(os.Remove("folder/file"))
	done(syscall.Rmdir("folder"))
}

func fsReaddir() {
	done(os.Mkdir("many", 0o755))
	for i := 0; i < 100; i++ {
		makeFile(fmt.Sprintf("many/%d", i), "").Close()
	}
	seen := map[string]bool{}
	entries := must(os.ReadDir("many"))
	for _, entry := range entries {
		seen[entry.Name()] = true
	}
	need(len(entries) == 100 && len(seen) == 100, "%d names", len(entries))
}

func fsStat() {
	makeFile("looked-at", "12345").Close()
	done(os.Chmod("looked-at", 0o640))
	found := must(os.Stat("looked-at"))
	need(found.Mode() == 0o640 && found.Size() == 5, "%v, %d bytes", found.Mode(), found.Size())
	age := time.Since(found.ModTime())
	need(age > -5*time.Second && age < 5*time.Second, "%v old", age)
}

func fsSymlink() {
	makeFile("target", "content").Close()
	done(os.Symlink("target", "link"))
	target := must(os.Readlink("link"))
	need(target == "target", "%s", target)
	needContent("link", "content")
}

func fsTrunc() {
	file := makeFile("cut", "abcdef")
	defer file.Close()
	done(file.Truncate(2))
	done(file.Truncate(4))
	needContent("cut", "ab\x00\x00")
}

func fsFsync() {
	file := makeFile("synced", "bytes")
	defer file.Close()
	done(file.Sync())
}

func fsLocks() {
	first := makeFile("locked", "")
	defer first.Close()
	second := must(os.OpenFile("locked", os.O_RDWR, 0))
	defer second.Close()
	done(syscall.Flock(int(first.Fd()), syscall.LOCK_EX))
	needError(syscall.Flock(int(second.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
	done(syscall.Flock(int(first.Fd()), syscall.LOCK_UN))
	done(syscall.Flock(int(second.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
}

func fsRo() string {
	for _, line := range strings.Split(string(must(os.ReadFile("/proc/self/mounts"))), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.SplitN(fields[3], ",", 2)[0] != "ro" {
			continue
		}
		if found, err := os.Stat(fields[1]); err != nil || !found.IsDir() {
			continue
		}
		_, err := os.Create(filepath.Join(fields[1], "windlass-case"))
		needError(err, syscall.EROFS)
		return fields[1]
	}
	panic(skip("nothing is mounted read-only"))
}

func fsTmp() {
	file := must(os.CreateTemp("/tmp", "windlass-case-"))
	must(file.WriteString("x"))
	file.Close()
	done(os.Remove(file.Name()))
}

func mapBytes(fd, size, protection, flags int) []byte {
	return must(syscall.Mmap(fd, 0, size, protection, flags))
}

func mmapAnon() {
	private := syscall.MAP_PRIVATE | syscall.MAP_ANON
	memory := mapBytes(-1, 4*mib, syscall.PROT_READ|syscall.PROT_WRITE, private)
	for i := 0; i < len(memory); i += 4096 {
		need(memory[i] == 0, "not zero")
		memory[i] = 1
	}
	need(memory[len(memory)-4096] == 1, "not kept")
	done(syscall.Munmap(memory))
}

func mmapFile() {
	file := makeFile("mapped", "mapped bytes")
	defer file.Close()
	memory := mapBytes(int(file.Fd()), 12, syscall.PROT_READ, syscall.MAP_PRIVATE)
	defer syscall.Munmap(memory)
	need(string(memory) == "mapped bytes", "%q", memory)
}

func mmapShared() {
	file := makeFile("shared", "before")
	defer file.Close()
	memory := mapBytes(int(file.Fd()), 6, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	defer syscall.Munmap(memory)
	copy(memory, "after!")
	start := uintptr(unsafe.Pointer(&memory[0]))
	_, _, code := syscall.Syscall(syscall.SYS_MSYNC, start, 6, syscall.MS_SYNC)
	need(code == 0, "msync: %v", code)
	needContent("shared", "after!")
}

/* signals */

func signalBy(number syscall.Signal, raise func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, number)
	defer signal.Reset(number)
	raise()
	select {
	case <-caught:
	case <-time.After(5 * time.Second):
		need(false, "the handler did not run")
	}
}

func signalSelf(number syscall.Signal) func() string {
	return silent(func() {
		signalBy(number, func() { done(syscall.Kill(os.Getpid(), number)) })
	})
}

func sigAlarm() {
	signalBy(syscall.SIGALRM, func() {
		// struct itimerval: no interval, 20 ms
		when := [4]int64{0, 0, 0, 20000}
		start := uintptr(unsafe.Pointer(&when))
		_, _, code := syscall.Syscall(syscall.SYS_SETITIMER, 0, start, 0)
		need(code == 0, "setitimer: %v", code)
	})
}

func sigPipe() {
	reader, writer, err := os.Pipe()
	done(err)
	defer writer.Close()
	reader.Close()
	_, err = writer.Write([]byte("x"))
	needError(err, syscall.EPIPE)
}

/* processes, limits and the rest */

func procSpawn() {
	err := exec.Command("/proc/self/exe", "exit", "7").Run()
	var ended *exec.ExitError
	need(errors.As(err, &ended) && ended.ExitCode() == 7, "%v", err)
}

func procSelf() {
	self := must(os.Readlink("/proc/self/exe"))
	need(self == must(filepath.EvalSymlinks(must(os.Executable()))), "%s", self)
	need(bytes.Contains(must(os.ReadFile("/proc/cpuinfo")), []byte("processor")), "cpuinfo")
	need(bytes.Contains(must(os.ReadFile("/proc/meminfo")), []byte("MemTotal")), "meminfo")
}

func memLimit() {
	memory := make([]byte, 64*mib)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = byte(i >> 12)
	}
	for i := 0; i < len(memory); i += 4096 {
		need(memory[i] == byte(i>>12), "other bytes")
	}
}

// Go's own memory running out ends a Go program; memory that it asks the system for itself does not.
func memOom() {
	private := syscall.MAP_PRIVATE | syscall.MAP_ANON
	_, err := syscall.Mmap(-1, 0, 1<<46, syscall.PROT_READ|syscall.PROT_WRITE, private)
	needError(err, syscall.ENOMEM)
}

func cpuCount() string {
	meant := os.Getenv("CASE_CPUS")
	if meant == "" {
		panic(skip("nobody said how many there are to be"))
	}
	count := strconv.Itoa(runtime.NumCPU())
	need(count == meant, "%s", count)
	return count
}

func rlimitNofile() {
	for i := 0; i < 400; i++ {
		defer must(os.Open("/dev/null")).Close()
	}
}

func localeUtf8() {
	const text = "ü€😀"
	need(utf8.RuneCountInString(text) == 3 && len(text) == 9, "other lengths")
	makeFile(text, "").Close()
	for _, entry := range must(os.ReadDir(".")) {
		if entry.Name() == text {
			return
		}
	}
	need(false, "another name")
}

type object struct {
	slot int
	text string
	list []int
}

func gcStress() {
	kept := make([]*object, 1000)
	for total, turn := 0, 0; total < 200*mib; turn++ {
		slot := turn * 31 % len(kept)
		need(kept[slot] == nil || kept[slot].slot == slot, "another object")
		kept[slot] = &object{slot, strings.Repeat("x", turn%100), make([]int, 100)}
		total += 1000
	}
}

var cases = map[string]func() string{
	"start.argv": silent(startArgv),
	"start.env": silent(func() {
		need(os.Getenv("CASE_ENV") == "Grüße = \"世界\"", "%q", os.Getenv("CASE_ENV"))
	}),
	"start.cwd":           silent(startCwd),
	"stdio.in":            silent(stdioIn),
	"thread.create":       silent(threadCreate),
	"thread.tls":          noWay("Go has no values of a thread"),
	"thread.mutex":        silent(threadMutex),
	"thread.join.exit":    silent(threadJoinExit),
	"timer.sleep":         timerSleep,
	"timer.monotonic":     silent(timerMonotonic),
	"timer.100":           silent(timer100),
	"time.tz":             silent(timeTz),
	"rand":                silent(random),
	"dns.a":               silent(dnsA),
	"dns.hosts":           silent(dnsHosts),
	"dns.nx":              silent(dnsNx),
	"tcp.listen":          silent(tcpListen),
	"tcp.accept":          silent(tcpAccept),
	"tcp.echo":            silent(func() { echoOver("tcp4", "127.0.0.1:0") }),
	"tcp.connect.refused": silent(tcpConnectRefused),
	"tcp.backlog":         silent(tcpBacklog),
	"tcp.halfclose":       silent(tcpHalfclose),
	"udp.echo":            silent(udpEcho),
	"ipv6.loopback":       silent(func() { echoOver("tcp6", "[::1]:0") }),
	"unix.socket":         silent(func() { echoOver("unix", "case.sock") }),
	"tls.client":          silent(tlsClient),
	"tls.server":          silent(tlsServer),
	"http.server":         silent(httpServer),
	"fs.create":           silent(fsCreate),
	"fs.read":             silent(fsRead),
	"fs.append":           silent(fsAppend),
	"fs.rename":           silent(fsRename),
	"fs.unlink":           silent(fsUnlink),
	"fs.mkdir":            silent(fsMkdir),
	"fs.readdir":          silent(fsReaddir),
	"fs.stat":             silent(fsStat),
	"fs.symlink":          silent(fsSymlink),
	"fs.trunc":            silent(fsTrunc),
	"fs.fsync":            silent(fsFsync),
	"fs.locks":            silent(fsLocks),
	"fs.ro":               fsRo,
	"fs.tmp":              silent(fsTmp),
	"mmap.anon":           silent(mmapAnon),
	"mmap.file":           silent(mmapFile),
	"mmap.shared":         silent(mmapShared),
	"mmap.code":           noWay("asked in C"),
	"sig.term":            signalSelf(syscall.SIGTERM),
	"sig.int":             signalSelf(syscall.SIGINT),
	"sig.usr1":            signalSelf(syscall.SIGUSR1),
	"sig.alarm":           silent(sigAlarm),
	"sig.pipe":            silent(sigPipe),
	"proc.spawn":          silent(procSpawn),
	"proc.fork":           noWay("Go cannot fork its own process"),
	"proc.self":           silent(procSelf),
	"mem.limit":           silent(memLimit),
	"mem.oom":             silent(memOom),
	"cpu.count":           cpuCount,
	"rlimit.nofile":       silent(rlimitNofile),
	"locale.utf8":         silent(localeUtf8),
	"dlopen":              loadLibrary,
	"gc.stress":           silent(gcStress),
}

func runCase(id string) (verdict, detail string) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case skip:
			verdict, detail = "SKIP", string(end)
		case failure:
			verdict, detail = "FAIL", string(end)
		default:
			panic(end)
		}
	}()
	return "PASS", cases[id]()
}

func runCases(list string) {
	counts := map[string]int{}
	ids := strings.Split(list, ",")
	for _, id := range ids {
		verdict, detail := runCase(id)
		counts[verdict]++
		fmt.Printf("CASE %s %s %s\n", id, verdict, detail)
	}
	fmt.Printf("SUMMARY %d %d %d %d\n", len(ids), counts["PASS"], counts["FAIL"], counts["SKIP"])
}

func writeOutput() {
	os.Stderr.WriteString("to standard error\n")
	text := strings.Repeat("abcdefghijklmnopqrstuvwxyz", mib/26+1)
	must(os.Stdout.WriteString(text[:mib]))
}

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch {
	case mode == "cases" && len(os.Args) > 2:
		runCases(os.Args[2])
	case mode == "exit" && len(os.Args) > 2:
		fmt.Printf("NOW %d\n", time.Now().UnixMilli())
		os.Exit(must(strconv.Atoi(os.Args[2])))
	case mode == "abort":
		// A panic of a Go program that is told to leave a core ends as abort() does.
		debug.SetTraceback("crash")
		panic("aborted")
	case mode == "output":
		writeOutput()
	default:
		os.Stderr.WriteString("usage: program cases IDS | exit N | abort | output\n")
		os.Exit(2)
	}
}

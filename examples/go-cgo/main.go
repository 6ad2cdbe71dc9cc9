package main

/*
#include <gnu/libc-version.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

static void sort(int *values, size_t count) {
	qsort(values, count, sizeof *values, compare);
}
*/
import "C"

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// Sorts with the C library's qsort.
func sorted(values ...C.int) []C.int {
	C.sort(&values[0], C.size_t(len(values)))
	return values
}

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-asked
		os.Exit(0)
	}()
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		libc := C.GoString(C.gnu_get_libc_version())
		fmt.Fprintf(answer, "Hello from Windlass\nglibc %s sorts: %v\n", libc, sorted(3, 1, 2))
	})
	log.Fatal(http.ListenAndServe(":"+port, nil))
}

// my_sink: appends every record to a file, a line each. sinkDeliver gets several records at once and
// may complete them later, from any thread: a goroutine writes the file, since the thread that calls
// sinkDeliver must never block. No panic may leave.
package main

// #cgo pkg-config: weir-plugin
// #cgo CFLAGS: -std=c11 -Wall -Wextra -Wno-unused-parameter
// #include <errno.h>
// #include "glue.h"
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

type sink struct {
	host     *C.weir_host
	instance *C.weir_instance
	path     string
	jobs     chan job      // nil until the first delivery
	ended    chan struct{} // the goroutine has
	file     *os.File      // from the first write on; the goroutine's, as the lines are
	lines    []byte
}

// A delivery lives until the last of its records is completed.
type job struct {
	delivery *C.weir_delivery
	token    C.uint64_t
}

func view(text []byte) C.weir_str {
	if len(text) == 0 {
		return C.weir_str{}
	}
	return C.weir_str{ptr: (*C.char)(unsafe.Pointer(&text[0])), len: C.size_t(len(text))}
}

func bytes(text C.weir_str) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(text.ptr)), int(text.len))
}

func (s *sink) complete(token C.uint64_t, outcome C.int32_t, reason string) {
	C.glue_complete_rest(s.host, s.instance, token, outcome, view([]byte(reason)))
}

func (s *sink) appendAll(delivery *C.weir_delivery) (err error) {
	defer func() {
		if told := recover(); told != nil {
			err = fmt.Errorf("panic: %v", told)
		}
	}()
	s.lines = s.lines[:0]
	count := C.glue_count(s.host, delivery)
	for i := C.size_t(0); i < count; i++ {
		line := C.glue_field(s.host, delivery, i, C.WEIR_F_EVENT_JSON)
		s.lines = append(append(s.lines, bytes(line)...), '\n')
	}
	if s.file == nil {
		s.file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
	}
	if _, err = s.file.Write(s.lines); err != nil {
		return err
	}
	return s.file.Sync()
}

// Until the sink is closed. A file that can't be written is the sink's trouble, not a record's.
func (s *sink) write() {
	runtime.LockOSThread() // a thread of its own, which ends with it
	for next := range s.jobs {
		if err := s.appendAll(next.delivery); err != nil {
			s.complete(next.token, C.WEIR_DOWN, err.Error())
		} else {
			s.complete(next.token, C.WEIR_OK, "")
		}
	}
	if s.file != nil {
		s.file.Close()
	}
	close(s.ended)
}

// Also runs for `weir check`, so it touches no network and no file.
//
//export sinkOpen
func sinkOpen(host *C.weir_host, instance *C.weir_instance, out *C.uintptr_t) C.int32_t {
	name := C.CString("path")
	defer C.free(unsafe.Pointer(name))
	path := C.glue_option(host, instance, name)
	C.glue_declare(host, instance, C.WEIR_D_TARGET, path)
	opened := &sink{host: host, instance: instance, path: string(bytes(path))}
	*out = C.uintptr_t(cgo.NewHandle(opened))
	return 0
}

//export sinkDeliver
func sinkDeliver(self C.uintptr_t, delivery *C.weir_delivery) {
	s := cgo.Handle(self).Value().(*sink)
	next := job{delivery, C.glue_token(s.host, delivery)}
	if s.jobs == nil {
		s.jobs, s.ended = make(chan job, 64), make(chan struct{})
		go s.write()
	}
	select {
	case s.jobs <- next:
	default: // never wait here
		s.complete(next.token, C.WEIR_DOWN, "the file can't be written as fast as records come")
	}
}

// Comes when nothing is left to complete.
//
//export sinkClose
func sinkClose(self C.uintptr_t) {
	s := cgo.Handle(self).Value().(*sink)
	if s.jobs != nil {
		close(s.jobs)
		<-s.ended
	}
	cgo.Handle(self).Delete()
}

func main() {}

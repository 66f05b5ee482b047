// my_sink: logs every change of one attribute. sinkRecord is called for one record at a time and says
// what became of it; nothing here may block, and no panic may leave.
package main

// #cgo pkg-config: weir-plugin
// #cgo CFLAGS: -std=c11 -Wall -Wextra -Wno-unused-parameter
// #include <errno.h>
// #include "glue.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

type sink struct {
	host      *C.weir_host
	instance  *C.weir_instance
	attribute *C.char // text of options lives until close()
	prefix    string
	line      []byte
}

// Of a text that is not empty.
func view(text []byte) C.weir_str {
	return C.weir_str{ptr: (*C.char)(unsafe.Pointer(&text[0])), len: C.size_t(len(text))}
}

func bytes(text C.weir_str) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(text.ptr)), int(text.len))
}

// Also runs for `weir check`, so it touches no network and no file.
//
//export sinkOpen
func sinkOpen(host *C.weir_host, instance *C.weir_instance, out *C.uintptr_t) C.int32_t {
	name := C.CString("attribute")
	defer C.free(unsafe.Pointer(name))
	attribute := C.glue_option(host, instance, name)
	if attribute.len == 0 {
		C.glue_option_error(host, instance, name, view([]byte("it is empty")))
		return -C.EINVAL
	}
	if rc := C.glue_watch(host, instance, attribute.ptr); rc < 0 {
		return rc
	}
	opened := &sink{host: host, instance: instance, attribute: attribute.ptr}
	opened.prefix = string(bytes(attribute)) + ": "
	*out = C.uintptr_t(cgo.NewHandle(opened))
	return 0
}

//export sinkClose
func sinkClose(self C.uintptr_t) {
	cgo.Handle(self).Delete()
}

//export sinkRecord
func sinkRecord(self C.uintptr_t, record *C.weir_record) (outcome C.int32_t) {
	defer func() {
		if recover() != nil {
			outcome = C.WEIR_FAIL
		}
	}()
	s := cgo.Handle(self).Value().(*sink)
	// The values as they came; numbers keep all their digits.
	was := C.glue_json(s.host, record, C.WEIR_OLD, s.attribute)
	now := C.glue_json(s.host, record, C.WEIR_NEW, s.attribute)
	s.line = append(append(s.line[:0], s.prefix...), bytes(was)...)
	s.line = append(append(s.line, " -> "...), bytes(now)...)
	C.glue_log(s.host, s.instance, C.WEIR_LOG_INFO, view(s.line))
	return C.WEIR_OK
}

func main() {}

package onnx

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

// The entry point that every ONNX Runtime library has kept since its first
// release.
typedef struct {
	const void *(*get_api)(uint32_t version);
	const char *(*version)(void);
} api_base;

static const char *library_version(const char *path, const char **fault) {
	void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
	if (!lib) {
		*fault = dlerror();
		return NULL;
	}
	const api_base *(*base)(void) = (const api_base *(*)(void))dlsym(lib, "OrtGetApiBase");
	if (!base) {
		*fault = "it is not an ONNX Runtime library";
		return NULL;
	}
	return base()->version();
}
*/
import "C"

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"
)

// minAPI is the C API version that the wrapper needs. Release 1.N has version N. For an older
// library, the wrapper's own error is only a number.
const minAPI = 24

// libraryVersion loads the shared library at path and returns its version. The library stays
// loaded, because unloading C++ code is not safe.
func libraryVersion(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path of an ONNX Runtime library is given")
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var fault *C.char
	version := C.library_version(name, &fault)
	if version == nil {
		return "", fmt.Errorf("cannot load %s as ONNX Runtime: %s", path, C.GoString(fault))
	}
	return C.GoString(version), nil
}

// checkVersion refuses a library that is too old.
func checkVersion(path, version string) error {
	_, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if n, err := strconv.Atoi(minor); err != nil || !strings.HasPrefix(version, "1.") || n < minAPI {
		return fmt.Errorf("%s is ONNX Runtime %s; this program needs 1.%d or newer", path, version, minAPI)
	}
	return nil
}

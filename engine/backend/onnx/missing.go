package onnx

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

static int can_load(const char *name) { return dlopen(name, RTLD_LAZY | RTLD_LOCAL) != NULL; }
*/
import "C"

import (
	"unsafe"

	"sweetspot/engine/backend/onnx/provider"
)

// missingLibraries returns which libraries of a provider are missing: its own files beside the library, and what the
// linker does not find. ONNX Runtime's error names only the first one. Those that are found stay
// loaded: call it in a child.
func missingLibraries(n provider.Name, library string) []string {
	needed, missing, err := provider.Needed(n, library)
	if err != nil {
		return nil // the runtime's error says more
	}
	for _, name := range needed {
		text := C.CString(name)
		if C.can_load(text) == 0 {
			missing = append(missing, name)
		}
		C.free(unsafe.Pointer(text))
	}
	return missing
}

package main

/*
#include <malloc.h>
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
static size_t native_in_use(void) { struct mallinfo2 m = mallinfo2(); return m.uordblks + m.hblkhd; }
#else
static size_t native_in_use(void) { return 0; }
#endif
*/
import "C"

// nativeInUse is the memory in use of the C library's heaps in bytes; 0 is unknown. ONNX Runtime allocates there.
func nativeInUse() uint64 { return uint64(C.native_in_use()) }

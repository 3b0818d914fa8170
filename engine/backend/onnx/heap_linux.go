package onnx

/*
#include <malloc.h>
#ifdef M_ARENA_MAX // glibc
static void single_heap(void) { mallopt(M_ARENA_MAX, 1); }
static void trim_heap(void) { malloc_trim(0); }
#else
static void single_heap(void) {}
static void trim_heap(void) {}
#endif
#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 33)
#define HAS_MALLINFO2
#endif
#endif
#ifdef HAS_MALLINFO2
static size_t in_use(void) { struct mallinfo2 m = mallinfo2(); return m.uordblks + m.hblkhd; }
#else
static size_t in_use(void) { return 0; }
#endif
*/
import "C"

// singleHeap makes the C library use one heap (arena) for all threads. Several threads open,
// run and close a session. With several heaps, its pieces keep each heap from shrinking, so
// that the process grows with every change of settings. From the 200th to the 1000th change
// it grew by 23%; with trimming by 11%, with one heap by 18%, with both not at all. Only glibc
// has several heaps. The call must come before the runtime allocates memory.
func singleHeap() { C.single_heap() }

// trimHeap returns the free memory of the C library's heap to the system.
func trimHeap() { C.trim_heap() }

// NativeInUse returns the memory in use of the C library's heaps in bytes, where ONNX Runtime allocates, without what is free
// for reuse. 0 is unknown: only glibc 2.33 and later has it.
func NativeInUse() uint64 { return uint64(C.in_use()) }

package onnx

/*
#include <malloc.h>
#ifdef M_ARENA_MAX // glibc
static void one_heap(void) { mallopt(M_ARENA_MAX, 1); }
static void give_back(void) { malloc_trim(0); }
#else
static void one_heap(void) {}
static void give_back(void) {}
#endif
*/
import "C"

// oneHeap keeps the C library from giving threads heaps of their own. A session
// is opened by one thread, run by others and closed by yet another one; with many
// heaps its pieces keep each of them from shrinking, and a process whose settings
// change often keeps growing. From the 200th change to the 1000th it was 23%, with
// heaps that are trimmed 11%, with only one heap 18%, with both nothing. Only
// glibc has several; it is asked before the runtime allocates anything.
func oneHeap() { C.one_heap() }

// giveBack returns what is free in the C library's heap to the system.
func giveBack() { C.give_back() }

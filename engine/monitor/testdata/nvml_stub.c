/* A stand-in for the NVML library with one or two fake GPUs. The macros
 * change it:
 *   OLD       a driver from before the newer symbols
 *   MINIMAL   only the required symbols
 *   NO_INIT   without a required symbol
 *   V1        the unversioned names only
 *   INIT=n    the result of nvmlInit
 *   MIG       the first GPU is divided in two instances
 *   FAIL=n    the result of all calls of figures
 *   UNPLUG=n  after n samples the first GPU is lost, and all of its calls say so
 *   CHANGE    figures change with each sample; the third is throttled
 *   NONE, UNIFIED   states of the device */
#include <stdio.h>
#include <string.h>

#ifndef INIT
#define INIT 0
#endif
#ifndef FAIL
#define FAIL 0
#endif
#ifndef UNPLUG
#define UNPLUG (1 << 30)
#endif
#ifdef CHANGE
#define STEP (samples - 1)
#else
#define STEP 0
#endif
enum { OK = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15 };
typedef struct { int n; } *device; /* 0 and 1 are GPUs, 10 and 11 instances of the first */
static struct { int n; } gpus[2] = {{0}, {1}}, parts[2] = {{10}, {11}};
static int samples; /* of the first GPU */

/* The result of a call of a figure of a device. */
static int result(device d) {
	if (FAIL) return FAIL;
	return d->n != 1 && samples > UNPLUG ? GPU_IS_LOST : OK;
}
#define RETURN_IF_FAILING(d) do { int r = result(d); if (r) return r; } while (0)

#ifdef V1
#define NAME2(name) name
#else
#define NAME2(name) name##_v2
#endif

#ifndef NO_INIT
int NAME2(nvmlInit)(void) { return INIT; }
#endif
int nvmlShutdown(void) { return OK; }
int NAME2(nvmlDeviceGetCount)(unsigned *n) {
#ifdef NONE
	*n = 0;
#else
	*n = 2;
#endif
	return OK;
}
int NAME2(nvmlDeviceGetHandleByIndex)(unsigned i, device *d) { *d = (device)&gpus[i]; return OK; }
int nvmlDeviceGetUUID(device d, char *s, unsigned n) {
	if (d->n >= 10) snprintf(s, n, "MIG-stub-%d", d->n - 10);
	else snprintf(s, n, "GPU-stub-%d", d->n);
	return OK;
}

#ifndef MINIMAL
int nvmlDeviceGetName(device d, char *s, unsigned n) { snprintf(s, n, "Stub %d", d->n); return OK; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { snprintf(s, n, "999.1"); return OK; }
int nvmlDeviceGetUtilizationRates(device d, unsigned u[2]) {
#ifdef MIG
	if (d->n == 0) return NOT_SUPPORTED;
#endif
	samples += d->n == 0;
	RETURN_IF_FAILING(d);
	u[0] = 83 + d->n + STEP;
	u[1] = 31;
	return OK;
}
int nvmlDeviceGetMemoryInfo(device d, unsigned long long m[3]) {
	RETURN_IF_FAILING(d);
	m[0] = 24000000000ull; /* total, free, used */
#ifdef UNIFIED
	m[0] = 0;
#endif
	m[1] = 16000000000ull;
	m[2] = 8000000000ull;
	if (d->n >= 10) { m[0] = 10000000000ull; m[2] = 1000000000ull * (d->n - 9); }
	return OK;
}
int nvmlDeviceGetPowerUsage(device d, unsigned *mw) { RETURN_IF_FAILING(d); *mw = 131500 + 1000 * STEP; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(device d, unsigned *mw) { RETURN_IF_FAILING(d); *mw = 150000; return OK; }
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *c) { RETURN_IF_FAILING(d); *c = 64; return OK; }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *mhz) { RETURN_IF_FAILING(d); *mhz = 1590 + kind - 100 * STEP; return OK; }
int nvmlDeviceGetMaxClockInfo(device d, int kind, unsigned *mhz) { RETURN_IF_FAILING(d); *mhz = 1710; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device d, unsigned long long *r) { RETURN_IF_FAILING(d); *r = 4; return OK; }
#ifndef OLD
int nvmlDeviceGetTotalEnergyConsumption(device d, unsigned long long *mj) { RETURN_IF_FAILING(d); *mj = 1000000ull + samples * 65000; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(device d, unsigned long long *r) {
	RETURN_IF_FAILING(d);
	*r = 1 | 2;
#ifdef CHANGE
	if (samples == 3) *r |= 0x20 | 0x80; /* heat, power brake */
#endif
	return OK;
}
int nvmlDeviceGetMigMode(device d, unsigned *now, unsigned *next) {
#ifdef MIG
	*now = *next = d->n == 0;
	return OK;
#endif
	return NOT_SUPPORTED;
}
#ifdef MIG
int nvmlDeviceGetMaxMigDeviceCount(device d, unsigned *n) { *n = 3; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(device d, unsigned i, device *out) {
	if (i == 1) return NOT_FOUND; /* a free place */
	*out = (device)&parts[i / 2];
	return OK;
}
#endif
struct process { unsigned pid; unsigned long long used; unsigned instance, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(device d, unsigned *n, struct process *p) {
	RETURN_IF_FAILING(d);
	if (*n < 2) { *n = 2; return 7; } /* too small */
	*n = 2;
	p[0] = (struct process){17, ~0ull, 0, 0};
	p[1] = (struct process){4242, 6900000000ull, 0, 0};
	return OK;
}
#endif
#endif

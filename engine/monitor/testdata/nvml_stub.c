/* A stand-in for the NVML library with one or two fake GPUs. The macros
 * change it:
 *   OLD       a driver from before the newer symbols
 *   MINIMAL   only the required symbols
 *   NO_INIT   without a required symbol
 *   V1        the unversioned names only
 *   INIT=n    the result of nvmlInit
 *   MIG, LOST, NONE, UNIFIED   states of the device */
#include <stdio.h>
#include <string.h>

#ifndef INIT
#define INIT 0
#endif
enum { OK = 0, NOT_SUPPORTED = 3, GPU_IS_LOST = 15 };
typedef struct { int n; } *device;
static struct { int n; } gpus[2] = {{0}, {1}};
static int samples;

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
int nvmlDeviceGetUUID(device d, char *s, unsigned n) { snprintf(s, n, "GPU-stub-%d", d->n); return OK; }

#ifndef MINIMAL
int nvmlDeviceGetName(device d, char *s, unsigned n) { snprintf(s, n, "Stub %d", d->n); return OK; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) { snprintf(s, n, "999.1"); return OK; }
int nvmlDeviceGetUtilizationRates(device d, unsigned u[2]) {
#ifdef LOST
	return GPU_IS_LOST;
#endif
	u[0] = 83 + d->n;
	u[1] = 31;
	samples++;
	return OK;
}
int nvmlDeviceGetMemoryInfo(device d, unsigned long long m[3]) {
	m[0] = 24000000000ull; /* total, free, used */
#ifdef UNIFIED
	m[0] = 0;
#endif
	m[1] = 16000000000ull;
	m[2] = 8000000000ull;
	return OK;
}
int nvmlDeviceGetPowerUsage(device d, unsigned *mw) { *mw = 131500; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(device d, unsigned *mw) { *mw = 150000; return OK; }
int nvmlDeviceGetTemperature(device d, int sensor, unsigned *c) { *c = 64; return OK; }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *mhz) { *mhz = 1590 + kind; return OK; }
int nvmlDeviceGetMaxClockInfo(device d, int kind, unsigned *mhz) { *mhz = 1710; return OK; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device d, unsigned long long *r) { *r = 4; return OK; }
#ifndef OLD
int nvmlDeviceGetTotalEnergyConsumption(device d, unsigned long long *mj) { *mj = 1000000ull + samples * 65000; return OK; }
int nvmlDeviceGetCurrentClocksEventReasons(device d, unsigned long long *r) { *r = 1 | 2; return OK; }
int nvmlDeviceGetMigMode(device d, unsigned *now, unsigned *next) {
#ifdef MIG
	*now = *next = 1;
	return OK;
#endif
	return NOT_SUPPORTED;
}
struct process { unsigned pid; unsigned long long used; unsigned instance, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(device d, unsigned *n, struct process *p) {
	if (*n < 2) { *n = 2; return 7; } /* too small */
	*n = 2;
	p[0] = (struct process){17, ~0ull, 0, 0};
	p[1] = (struct process){4242, 6900000000ull, 0, 0};
	return OK;
}
#endif
#endif

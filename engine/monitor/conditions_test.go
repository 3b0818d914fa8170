package monitor

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Conditions
	}{
		{"nothing is reported", nil, Conditions{}},
		{"a machine", map[string]string{
			"proc/meminfo": "MemTotal: 100 kB\nSwapTotal:  2000 kB\nSwapFree:  1500 kB\n",
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":  "powersave\n",
			"sys/devices/system/cpu/cpu10/cpufreq/scaling_governor": "performance\n",
			"sys/devices/system/cpu/cpu2/cpufreq/scaling_governor":  "powersave\n",
			"sys/devices/system/cpu/cpuidle/current_governor":       "menu\n",
		}, Conditions{Governors: []string{"performance", "powersave"}, SwapUsed: Of(500 * 1024)}},
		{"a container", map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/a/cpu.stat": "usage_usec 12\nnr_periods 400\nnr_throttled 100\nthrottled_usec 9\n",
			"sys/fs/cgroup/cpu.stat":   "usage_usec 12\n",
		}, Conditions{Throttled: Of(.25)}},
		{"a quota that was never used up", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/cpu.stat": "nr_periods 400\nnr_throttled 0\n",
		}, Conditions{Throttled: Of(0)}},
		{"numbers that are none", map[string]string{
			"proc/meminfo":     "SwapTotal: x kB\nSwapFree: 3 kB\n",
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/cpu.stat": "nr_periods -1\nnr_throttled 7 8\n\n",
		}, Conditions{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, conditions(tree(tt.files)), cmp.AllowUnexported(Reading{})); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

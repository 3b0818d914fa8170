package monitor_test

import (
	"testing"
	"time"

	"sweetspot/engine/monitor"
)

func TestUsageOf(t *testing.T) {
	const step = 10 * time.Millisecond // of the kernel's account
	var u monitor.Usage
	for u.CPU < step { // the loop itself uses it
		var err error
		if u, err = monitor.UsageOf(0); err != nil {
			t.Fatal(err)
		}
	}
	rss, ok := u.RSSBytes.Get()
	if !ok || rss < 1<<20 {
		t.Errorf("resident = %v bytes, known %v", rss, ok)
	}
	if peak, ok := u.PeakRSSBytes.Get(); ok && peak < rss {
		t.Errorf("peak %v is below resident %v", peak, rss)
	}
	if _, err := monitor.UsageOf(1 << 30); err == nil {
		t.Error("a process that is not there was read")
	}
}

package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/monitor"
)

func TestDoctorWarnings(t *testing.T) {
	many := monitor.Of(64e9)
	for _, tt := range []struct {
		name   string
		got    finding
		result string
		text   string
	}{
		{"whole cores", checkCores(monitor.Container{Cores: 8}), checkOK, "8"},
		{"a quota", checkCores(monitor.Container{Cores: 2, Quota: monitor.Of(1.5)}), checkWarning, "2, by a quota of 1.5 cores"},
		{"one core", checkCores(monitor.Container{Cores: 1}), checkWarning, "1"},
		{"nothing known of the load", checkLoad(monitor.Host{Reason: "no /proc"}, 2), checkOK, "n/a: the use of the machine is not reported no /proc"},
		{
			"the program itself", checkLoad(monitor.Host{BusyPercent: monitor.Of(51), StealPercent: monitor.Of(0), CPUPercent: monitor.Of(100)}, 2),
			checkOK, "1% of the machine used by others, 0% taken by the hypervisor",
		},
		{
			"others", checkLoad(monitor.Host{BusyPercent: monitor.Of(51), StealPercent: monitor.Of(0), CPUPercent: monitor.Of(0)}, 2),
			checkWarning, "51% of the machine used by others, 0% taken by the hypervisor",
		},
		{
			"a hypervisor", checkLoad(monitor.Host{BusyPercent: monitor.Of(1), StealPercent: monitor.Of(9)}, 2),
			checkWarning, "1% of the machine used by others, 9% taken by the hypervisor",
		},
		{"memory", checkMemory(monitor.Container{MemoryBytes: many}, monitor.Space{MemoryAvailable: many}), checkOK, "64000 MB, 64000 MB available"},
		{"little memory", checkMemory(monitor.Container{MemoryBytes: many}, monitor.Space{MemoryAvailable: monitor.Of(2e8)}), checkWarning, "64000 MB, 200 MB available"},
		{"a limit below what the machine has", checkMemory(monitor.Container{MemoryBytes: monitor.Of(1e9)}, monitor.Space{MemoryAvailable: many}), checkOK, "1000 MB, 1000 MB available"},
		{"memory that is not reported", checkMemory(monitor.Container{}, monitor.Space{}), checkOK, "n/a: the system does not report it"},
		{"a folder to come", checkProfiles(filepath.Join(t.TempDir(), "none"), monitor.Space{}), checkOK, "made with the first profile"},
		{"a file in place of the folder", checkProfiles("doctor_test.go", monitor.Space{}), checkWarning, "doctor_test.go"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Result != tt.result || !strings.Contains(tt.got.Text, tt.text) {
				t.Errorf("%+v, want %s: %s", tt.got, tt.result, tt.text)
			}
			if (tt.got.Fix == "") != (tt.result == checkOK) && tt.got.Check != "profiles" {
				t.Errorf("fix %q of %s", tt.got.Fix, tt.result)
			}
		})
	}
}

func TestDoctorConditions(t *testing.T) {
	for _, tt := range []struct {
		in   monitor.Conditions
		want string // result of each check
	}{
		{monitor.Conditions{}, "governor ok"},
		{monitor.Conditions{Governors: []string{"performance"}, Throttled: monitor.Of(0), SwapUsed: monitor.Of(0)}, "governor ok"},
		{monitor.Conditions{Governors: []string{"performance", "powersave"}}, "governor warning"},
		{monitor.Conditions{Throttled: monitor.Of(.1), SwapUsed: monitor.Of(1e6)}, "governor ok, throttled warning, swap warning"},
	} {
		var got []string
		for _, f := range checkConditions(tt.in) {
			got = append(got, f.Check+" "+f.Result)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%+v: %v, want %s", tt.in, got, tt.want)
		}
	}
}

// TestDoctorPorts checks that an address in use is named.
func TestDoctorPorts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	was := serveAddresses
	serveAddresses = []string{l.Addr().String()}
	defer func() { serveAddresses = was }()
	if f := checkPorts(t.Context()); f.Result != checkWarning || !strings.Contains(f.Text, l.Addr().String()) {
		t.Errorf("%+v", f)
	}
}

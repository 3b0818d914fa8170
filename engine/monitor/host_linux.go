package monitor

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func readProcess(pid int) (process, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return process{}, errEnded
	case err != nil:
		return process{}, fmt.Errorf("no counters: %w", err)
	}
	var p process
	if p.cpu, p.started, err = parseStat(stat); err != nil {
		return process{}, err
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return process{}, errEnded // it has just ended
	}
	p.rss, p.peak = parseStatus(status)
	return p, nil
}

func readMachine() (machine, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}, fmt.Errorf("no counters: %w", err)
	}
	return parseMachine(b)
}

func machineMemory() Reading {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Reading{}
	}
	return parseMemory(b)
}

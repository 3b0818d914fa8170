package monitor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
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
	if p.cpu, p.waited, p.started, err = parseStat(stat); err != nil {
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

// childrenOf returns the children of a process. A child belongs to the thread that started it.
func childrenOf(pid int) []int {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil // it has ended
	}
	var out []int
	for _, thread := range threads {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			continue // the thread has ended
		}
		for word := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(word); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

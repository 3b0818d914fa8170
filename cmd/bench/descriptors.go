package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/net"
	ps "github.com/shirou/gopsutil/v4/process"
)

// descriptors returns what each open descriptor of this process is: the link of proc(5), and for a TCP connection its
// state and addresses too. It is empty where that cannot be read.
func descriptors() []string {
	pid := int32(os.Getpid())
	self, err := ps.NewProcess(pid)
	if err != nil {
		return nil
	}
	files, _ := self.OpenFiles() // without a file, the count is unknown
	connections, _ := net.ConnectionsPid("tcp", pid)
	var out []string
	for _, f := range files {
		text := f.Path
		if i := slices.IndexFunc(connections, func(c net.ConnectionStat) bool { return uint64(c.Fd) == f.Fd }); i >= 0 {
			c := connections[i]
			text += fmt.Sprintf(" %s, %s:%d to %s:%d", c.Status, c.Laddr.IP, c.Laddr.Port, c.Raddr.IP, c.Raddr.Port)
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// newDescriptors names the first descriptors that were not open before.
func newDescriptors(before, now []string) string {
	const shown = 8
	more := slices.DeleteFunc(slices.Clone(now), func(s string) bool { return slices.Contains(before, s) })
	return strings.Join(more[:min(len(more), shown)], "; ")
}

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// descriptors returns what each open descriptor of this process is: the link of proc(5), and for a TCP connection its
// state and addresses in the hexadecimal form of /proc/net/tcp. It is empty on other systems than Linux.
func descriptors() []string {
	links, _ := filepath.Glob("/proc/self/fd/*") // the pattern is valid
	connections := tcpConnections()
	var out []string
	for _, path := range links {
		link, err := os.Readlink(path)
		if err != nil {
			continue // that of the listing itself
		}
		if text := connections[link]; text != "" {
			link += " " + text
		}
		out = append(out, link)
	}
	slices.Sort(out)
	return out
}

// tcpConnections returns the state and the addresses of the connections by their link, socket:[INODE].
func tcpConnections() map[string]string {
	const local, remote, state, inode = 1, 2, 3, 9 // columns of proc_net_tcp(5)
	out := map[string]string{}
	for _, path := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if f := strings.Fields(lines.Text()); len(f) > inode {
				out["socket:["+f[inode]+"]"] = fmt.Sprintf("state %s, %s to %s", f[state], f[local], f[remote])
			}
		}
		_ = file.Close()
	}
	return out
}

// newDescriptors names the first descriptors that were not open before.
func newDescriptors(before, now []string) string {
	const shown = 8
	more := slices.DeleteFunc(slices.Clone(now), func(s string) bool { return slices.Contains(before, s) })
	return strings.Join(more[:min(len(more), shown)], "; ")
}

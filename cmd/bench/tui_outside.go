package main

import (
	"errors"
	"os"
	"os/exec"

	"github.com/creack/pty"
)

// outsideTerminal is a pseudo terminal that another process reads, as a terminal emulator does, so that
// reading costs this process nothing.
type outsideTerminal struct {
	tty, slave *os.File
	reader     *exec.Cmd
	copied     *os.File // everything that was read
}

func openOutsideTerminal(w, h int) (*outsideTerminal, error) {
	copied, err := os.CreateTemp("", "bench-tui-*")
	if err != nil {
		return nil, err
	}
	t := &outsideTerminal{copied: copied}
	if t.tty, t.slave, err = pty.Open(); err == nil {
		err = pty.Setsize(t.tty, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)})
	}
	if err == nil {
		t.reader = exec.Command("cat")
		t.reader.Stdin, t.reader.Stdout = t.tty, copied
		err = t.reader.Start()
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// written is how many bytes were written to the terminal and read.
func (t *outsideTerminal) written() (int64, error) {
	info, err := t.copied.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (t *outsideTerminal) close() {
	if t.reader != nil && t.reader.Process != nil {
		_ = t.reader.Process.Kill() // it would wait for more
		_ = t.reader.Wait()         // killed
	}
	for _, f := range []*os.File{t.slave, t.tty} {
		if f != nil {
			_ = f.Close() // nothing is lost
		}
	}
	_ = errors.Join(t.copied.Close(), os.Remove(t.copied.Name())) // in the folder for temporary files
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A screen that ends in order restores the terminal itself. A panic in any
// goroutine, a fault in C and kill -9 leave it raw, on the alternate screen,
// with the mouse captured; no handler in the dying process can be relied on
// then. So a keeper, a tiny process of the same program in a session of its own,
// holds a pipe from the screen's process. When the pipe ends without the word
// that all is well, it restores the terminal as it found it and repeats what the
// dying process said, which nobody saw.

// wellWord is the last byte of an orderly end; no crash text holds it.
const wellWord = 0

// giveBack undoes what a screen may have switched on, whatever of it was.
const giveBack = ansi.ResetModeSynchronizedOutput + ansi.ResetModeAltScreenSaveCursor + ansi.ShowCursor +
	ansi.ResetModeMouseNormal + ansi.ResetModeMouseButtonEvent + ansi.ResetModeMouseAnyEvent + ansi.ResetModeMouseExtSgr +
	ansi.ResetModeBracketedPaste + ansi.ResetModeFocusEvent + "\x1b[<u" + "\x1b[>4;0m" + ansi.ResetStyle + "\r\n"

// keeper is the screen's end of the pipe.
type keeper struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// startKeeper starts a keeper for the terminal. It returns when the keeper knows
// the terminal's state; nil when there can be none.
func (a *app) startKeeper(tty *os.File) *keeper {
	read, write, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer read.Close()
	cmd := exec.Command(a.self, "keeper")
	cmd.Env = a.env.all
	cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = read, tty, ownSession()
	ready, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		write.Close()
		return nil
	}
	_, _ = ready.Read(make([]byte, 1)) // the byte, or the end of a keeper that failed
	_ = debug.SetCrashOutput(write, debug.CrashOptions{})
	return &keeper{cmd, write}
}

// dismiss tells the keeper that the terminal is restored. It is safe on nil.
func (k *keeper) dismiss() {
	if k == nil {
		return
	}
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	_, _ = k.pipe.Write([]byte{wellWord})
	_ = k.pipe.Close()
	_ = k.cmd.Wait()
}

// keeperCommand is the keeper's process.
func (a *app) keeperCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keeper", Short: "restore the terminal for a screen that died", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			signal.Ignore(keeperIgnores()...)
			tty, ok := a.out.(*os.File)
			if !ok || !term.IsTerminal(int(tty.Fd())) {
				return fmt.Errorf("keeper is started by sweetspot itself")
			}
			state, err := term.GetState(int(tty.Fd()))
			if err != nil {
				return err
			}
			fmt.Fprint(a.err, ".")
			said, _ := io.ReadAll(a.in) // how the pipe ends does not matter
			if bytes.HasSuffix(said, []byte{wellWord}) {
				return nil
			}
			_ = term.Restore(int(tty.Fd()), state)
			_, err = io.WriteString(tty, giveBack+a.deathReport(said))
			return err
		},
	}
}

// deathReport is what a person reads after a crash: the first line of what the
// process said, and where the rest is.
func (a *app) deathReport(said []byte) string {
	text := strings.TrimSpace(string(said))
	if text == "" {
		return "sweetspot was killed; the terminal is restored, profiles are kept: sweetspot profiles list\r\n"
	}
	first, _, _ := strings.Cut(text, "\n")
	path := a.env.stateFile("crash.log")
	if path == "" || os.WriteFile(path, said, 0o600) != nil {
		return "sweetspot crashed:\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
	}
	return fmt.Sprintf("sweetspot crashed: %s\r\nthe rest is in %s; please report it. Profiles are kept.\r\n", first, path)
}

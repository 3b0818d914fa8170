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

// A screen that ends normally restores the terminal itself. After a panic in any
// goroutine, a fault in C code or kill -9 the terminal stays in raw mode, on the alternate
// screen, with mouse reports. No handler in the crashed process is reliable then. So a
// restorer, a small process of the same program in another session, reads a pipe from the
// process of the screen. If the pipe ends without the byte of a normal end, it restores
// the terminal and prints the crash message, which was not visible on the screen.

// normalEnd is the last byte in the pipe at a normal end. Crash messages do not have it.
const normalEnd = 0

// resetScreen resets all modes that a screen may have set.
const resetScreen = ansi.ResetModeSynchronizedOutput + ansi.ResetModeAltScreenSaveCursor + ansi.ShowCursor +
	ansi.ResetModeMouseNormal + ansi.ResetModeMouseButtonEvent + ansi.ResetModeMouseAnyEvent + ansi.ResetModeMouseExtSgr +
	ansi.ResetModeBracketedPaste + ansi.ResetModeFocusEvent + "\x1b[<u" + "\x1b[>4;0m" + ansi.ResetStyle + "\r\n"

// restorer is a running restorer process, with the writing end of its pipe.
type restorer struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// startRestorer starts a restorer for the terminal. It returns when the restorer has read
// the state of the terminal. It returns nil if the restorer cannot be started.
func (a *app) startRestorer(tty *os.File) *restorer {
	read, write, err := os.Pipe()
	if err != nil {
		return nil
	}
	defer read.Close()
	cmd := exec.Command(a.self, "restorer")
	cmd.Env = a.env.all
	cmd.Stdin, cmd.Stdout, cmd.SysProcAttr = read, tty, newSession()
	ready, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		write.Close()
		return nil
	}
	_, _ = ready.Read(make([]byte, 1)) // one byte, or the end of the pipe if the restorer failed
	_ = debug.SetCrashOutput(write, debug.CrashOptions{})
	return &restorer{cmd, write}
}

// dismiss ends the restorer after a normal end of the screen. It may be called on nil.
func (r *restorer) dismiss() {
	if r == nil {
		return
	}
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	_, _ = r.pipe.Write([]byte{normalEnd})
	_ = r.pipe.Close()
	_ = r.cmd.Wait()
}

// restorerCommand is the command of the restorer process.
func (a *app) restorerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restorer", Short: "restore the terminal after a crash of the screen", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			signal.Ignore(restorerIgnores()...)
			tty, ok := a.out.(*os.File)
			if !ok || !term.IsTerminal(int(tty.Fd())) {
				return fmt.Errorf("restorer is started by sweetspot itself")
			}
			state, err := term.GetState(int(tty.Fd()))
			if err != nil {
				return err
			}
			fmt.Fprint(a.err, ".")
			message, _ := io.ReadAll(a.in) // an error ends the pipe too
			if bytes.HasSuffix(message, []byte{normalEnd}) {
				return nil
			}
			_ = term.Restore(int(tty.Fd()), state)
			_, err = io.WriteString(tty, resetScreen+a.crashReport(message))
			return err
		},
	}
}

// crashReport returns the text to print after a crash: the first line of the crash message,
// and the file with the complete message.
func (a *app) crashReport(message []byte) string {
	text := strings.TrimSpace(string(message))
	if text == "" {
		return "sweetspot was killed; the terminal is restored, profiles are kept: sweetspot profiles list\r\n"
	}
	first, _, _ := strings.Cut(text, "\n")
	path := a.env.stateFile("crash.log")
	if path == "" || os.WriteFile(path, message, 0o600) != nil {
		return "sweetspot crashed:\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n"
	}
	return fmt.Sprintf("sweetspot crashed: %s\r\nthe complete message is in %s; please report it. Profiles are kept.\r\n", first, path)
}

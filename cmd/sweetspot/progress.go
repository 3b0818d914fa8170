package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"sweetspot/profiles"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// progress prints the progress of a sweep: one line per trial, and on a terminal also a line
// that is updated.
type progress struct {
	w     io.Writer
	live  bool
	quiet bool
	width int

	mu      sync.Mutex
	shown   bool // the updated line is on the screen
	last    time.Time
	trials  int  // number of printed trials
	events  int  // number of printed events
	probes  int  // number of service times in the printed line
	cost    bool // the cost of the promise was printed
	held    int  // number of printed periods of the hold
	holding bool // its beginning was printed
}

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet, width: 80}
	p.live, p.width = terminal(w)
	return p
}

// terminal reports whether w is a terminal, and its width.
func terminal(w any) (bool, int) {
	f, ok := unhidden(w).(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width == 0 {
		width = 80
	}
	return true, width
}

// style returns the style of tables on stdout.
func (a *app) style() profiles.Style {
	tty, width := terminal(a.out)
	return profiles.Style{Width: width, Bold: tty && a.env.get("NO_COLOR") == ""}
}

// textWidth returns the width of lines of text on stdout: that of the terminal, but at most
// 120 for readability. Without a terminal it is 0: lines are not broken, so that grep
// finds their text.
func (a *app) textWidth() int {
	const maxWidth = 120
	if tty, width := terminal(a.out); tty {
		return min(width, maxWidth)
	}
	return 0
}

// redrawInterval is the time between two updates of the line.
const redrawInterval = 100 * time.Millisecond

func (p *progress) update(st session.Sweep) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; p.events < len(st.Events); p.events++ {
		p.clear()
		e := st.Events[p.events]
		text := cmp.Or(e.Short, e.Detail)
		if e.What == session.EventResumed {
			text = "resumed  " + text
		}
		fmt.Fprintf(p.w, "%s\n", text)
	}
	p.trials = max(p.trials, st.Resumed) // the event has their number
	if !p.cost && st.Cost.HasRate() {
		p.cost = true
		if st.Cost.Fits() { // otherwise an event has the cost
			p.clear()
			fmt.Fprintf(p.w, "cost     %v\n", st.Cost)
		}
	}
	if len(st.Trials) > p.trials && p.probes == 0 && st.Probes > 0 {
		p.probes = st.Probes
		p.clear()
		fmt.Fprintf(p.w, "probes   %d service times measured; %d points predicted from them\n", st.Probes, st.Points)
	}
	for ; p.trials < len(st.Trials); p.trials++ {
		p.clear()
		line := trialLine(st.Trials[p.trials], st.Total, st.ETA)
		if st.Best == p.trials && p.trials+1 == len(st.Trials) && rank.RowOf(st.Trials, p.trials).Validated {
			line += "  new best"
		}
		fmt.Fprintln(p.w, line)
	}
	p.hold(st)
	if p.live && st.Current != nil && time.Since(p.last) >= redrawInterval {
		p.last = time.Now()
		p.clear()
		fmt.Fprint(p.w, ansi.Truncate(liveLine(st), p.width-1, ""))
		p.shown = true
	}
}

func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r", ansi.EraseEntireLine)
		p.shown = false
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// trialLine formats one finished trial: "[ 3/16] pass  batch 8 ... 412.0/s  P99 18.2 ms".
func trialLine(t trial.Trial, total int, eta time.Duration) string {
	point := t.Settings.String()
	if t.Role != trial.RoleLoad {
		point += fmt.Sprintf(" (%s)", t.Role)
	}
	if t.Predicted != nil && t.Predicted.HighestRPS.OK() {
		point += fmt.Sprintf(" at %g/s", t.Load.Rate)
	}
	line := fmt.Sprintf("[%2d/%d] %-5s %-52s", t.N, max(total, t.N), t.Verdict.Label(), point)
	if t.Error != "" {
		return line + "  " + t.Error
	}
	line += fmt.Sprintf("  %7s/s  P%g %s ms", t.Throughput.Value.Text(1), t.Verdict.Percentile, t.Verdict.ValueMS.Text(1))
	if errors := t.Counts.DescribeErrors(); errors != "" && t.Verdict.Likely() == trial.Fail {
		line += "  " + errors
	}
	if eta > 0 {
		line += fmt.Sprintf("  ETA %v", eta.Round(time.Second))
	}
	return line
}

// liveLine formats the running trial.
func liveLine(st session.Sweep) string {
	c := st.Current
	if c.Point.Role == trial.RoleProbe {
		return fmt.Sprintf("probe %d: %s", c.N, c.Point.Reason)
	}
	bar := ""
	if c.Limit > 0 {
		full := min(10, int(10*c.Elapsed/c.Limit))
		bar = strings.Repeat("=", full) + strings.Repeat(" ", 10-full)
	}
	figures := fmt.Sprintf("%s/s  P%g %s ms", c.RPS.Text(0), st.Plan.SLA.Percentile, c.P99MS.Text(1))
	if c.Silent > 0 {
		figures = fmt.Sprintf("no answer for %v", c.Silent.Round(time.Second))
	}
	return fmt.Sprintf("[%2d/%d] %s [%s] %v  %s  ETA %v", c.N, max(st.Total, c.N), c.Stage, bar, c.Point.Settings, figures, st.ETA.Round(time.Second))
}

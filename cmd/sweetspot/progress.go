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

// progress prints where a sweep stands: on a terminal one line that is redrawn,
// elsewhere one line per trial.
type progress struct {
	w     io.Writer
	live  bool
	quiet bool
	width int

	mu     sync.Mutex
	drawn  bool // a redrawn line is on the screen
	last   time.Time
	seen   int  // trials printed
	events int  // events printed
	probes int  // service times told of
	cost   bool // told what the promise costs
}

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{w: w, quiet: quiet, width: 80}
	p.live, p.width = terminal(w)
	return p
}

// terminal tells whether w is a terminal, and its width.
func terminal(w any) (bool, int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width == 0 {
		width = 80
	}
	return true, width
}

// style is how tables are drawn on stdout.
func (a *app) style() profiles.Style {
	tty, width := terminal(a.out)
	return profiles.Style{Width: width, Bold: tty && a.env.get("NO_COLOR") == ""}
}

// textWidth is where lines of text on stdout are broken: at the terminal's width,
// but not wider than is read well. Elsewhere they are not, for grep's sake.
func (a *app) textWidth() int {
	const most = 120
	if tty, width := terminal(a.out); tty {
		return min(width, most)
	}
	return 0
}

// redraw is how often the live line changes.
const redraw = 100 * time.Millisecond

func (p *progress) watch(st session.Sweep) {
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
	p.seen = max(p.seen, st.Resumed) // an event has told of them
	if !p.cost && st.Cost.HasRate() {
		p.cost = true
		if st.Cost.Fits() { // else an event has said more
			p.clear()
			fmt.Fprintf(p.w, "cost     %v\n", st.Cost)
		}
	}
	if len(st.Trials) > p.seen && p.probes == 0 && st.Probes > 0 {
		p.probes = st.Probes
		p.clear()
		fmt.Fprintf(p.w, "probes   %d service times measured; %d points predicted from them\n", st.Probes, st.Points)
	}
	for ; p.seen < len(st.Trials); p.seen++ {
		p.clear()
		line := trialLine(st.Trials[p.seen], st.Total, st.ETA)
		if st.Best == p.seen && p.seen+1 == len(st.Trials) && rank.RowOf(st.Trials, p.seen).Validated {
			line += "  new best"
		}
		fmt.Fprintln(p.w, line)
	}
	if p.live && st.Current != nil && time.Since(p.last) >= redraw {
		p.last = time.Now()
		p.clear()
		fmt.Fprint(p.w, ansi.Truncate(liveLine(st), p.width-1, ""))
		p.drawn = true
	}
}

func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r", ansi.EraseEntireLine)
		p.drawn = false
	}
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// trialLine is one finished trial: "[ 3/16] pass  batch 8 ... 412.0/s  P99 18.2 ms".
func trialLine(t trial.Trial, total int, eta time.Duration) string {
	what := t.Settings.String()
	if t.Role != trial.RoleLoad {
		what += fmt.Sprintf(" (%s)", t.Role)
	}
	if t.Predicted != nil && t.Predicted.HighestRPS.OK() {
		what += fmt.Sprintf(" at %g/s", t.Load.Rate)
	}
	line := fmt.Sprintf("[%2d/%d] %-5s %-52s", t.N, max(total, t.N), t.Verdict.Label(), what)
	if t.Error != "" {
		return line + "  " + t.Error
	}
	line += fmt.Sprintf("  %7s/s  P%g %s ms", t.Throughput.Value.Text(1), t.Verdict.Percentile, t.Verdict.ValueMS.Text(1))
	if broken := t.Counts.DescribeErrors(); broken != "" && t.Verdict.Likely() == trial.Fail {
		line += "  " + broken
	}
	if eta > 0 {
		line += fmt.Sprintf("  ETA %v", eta.Round(time.Second))
	}
	return line
}

// liveLine is the trial under way.
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
	return fmt.Sprintf("[%2d/%d] %s [%s] %v  %s/s  P99 %s ms  ETA %v",
		c.N, max(st.Total, c.N), c.Stage, bar, c.Point.Settings, c.RPS.Text(0), c.P99MS.Text(1), st.ETA.Round(time.Second))
}

package tui

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"sync"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// painter writes the frames to the terminal: of each one only the cells that differ from the frame before, and at
// once. The renderer of Bubble Tea would wake up at a fixed rate, whether there is a frame or not, would read the cells
// back from the text of a frame, and would measure each of them twice; that was half of the CPU time of a screen with
// 4 frames a second, and a key waited for the next wake-up.
//
// That renderer still owns the modes of the terminal: the alternate screen, mouse, focus, title, progress bar, and how
// all of them are restored. It shows a blank frame. Its writes go through the painter, which knows from them
// whether the alternate screen is open, and repaints what they may have erased.
//
// Any goroutine may use a painter.
type painter struct {
	out io.Writer

	mu       sync.Mutex // guards everything below; held while writing, so that writes do not mix
	open     bool       // the alternate screen
	sync     bool       // the terminal shows the writes between two marks at once
	frame    *canvas    // the newest one
	sgr      [styleCount]string
	shown    *canvas // what is on the terminal; nil if that is not known
	buf      []byte  // of the last write, for the next one
	atX      int     // where the cursor is
	atY      int     // -1 if it is not known
	inEffect string  // the escape sequence in effect
}

// paint shows a frame, with the escape sequences of its styles. The painter keeps the frame.
func (p *painter) paint(c *canvas, sgr [styleCount]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sgr != p.sgr {
		p.sgr, p.shown = sgr, nil
	}
	p.frame = c
	if !p.open {
		return
	}
	p.buf = p.appendFrame(p.buf[:0])
	if len(p.buf) > 0 {
		_, _ = p.out.Write(p.buf) // a terminal that is gone ends the program through its input
	}
}

// Write passes on what the renderer of Bubble Tea writes.
func (p *painter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	enter := bytes.LastIndex(b, []byte(ansi.SetModeAltScreenSaveCursor))
	leave := bytes.LastIndex(b, []byte(ansi.ResetModeAltScreenSaveCursor))
	if enter != leave {
		p.open = enter > leave
	}
	if enter != leave || mayErase(b) {
		p.shown = nil
	}
	if !p.open || p.frame == nil || p.shown != nil {
		return p.out.Write(b)
	}
	p.buf = p.appendFrame(append(p.buf[:0], b...))
	n, err := p.out.Write(p.buf)
	return min(n, len(b)), err
}

// mayErase reports whether b has anything but modes, styles, titles and questions.
func mayErase(b []byte) bool {
	parser := ansi.GetParser()
	defer ansi.PutParser(parser)
	var state byte
	for len(b) > 0 {
		seq, _, n, next := ansi.DecodeSequence(b, state, parser)
		switch {
		case ansi.HasOscPrefix(seq), ansi.HasDcsPrefix(seq):
		case ansi.HasCsiPrefix(seq) && bytes.IndexByte([]byte("hlmnpqu"), seq[len(seq)-1]) >= 0:
		default:
			return true
		}
		b, state = b[n:], next
	}
	return false
}

// appendFrame appends what makes the terminal show the newest frame.
func (p *painter) appendFrame(b []byte) []byte {
	old, c := p.shown, p.frame
	if old != nil && (old.w != c.w || old.h != c.h) {
		old = nil
	}
	from := len(b)
	if p.sync {
		b = append(b, ansi.SetModeSynchronizedOutput...)
	}
	begun := len(b)
	if old == nil {
		b = append(b, reset...)
	}
	p.atY, p.inEffect = -1, ""
	for y := range c.h {
		row := c.cells[y*c.w : (y+1)*c.w]
		var before []cell
		if old != nil {
			before = old.cells[y*c.w : (y+1)*c.w]
		}
		b = p.appendRow(b, y, before, row)
	}
	if p.inEffect != "" {
		b = append(b, reset...)
	}
	p.shown = c
	switch {
	case len(b) == begun:
		return b[:from]
	case p.sync:
		b = append(b, ansi.ResetModeSynchronizedOutput...)
	}
	return b
}

// appendRow appends the cells of row y that differ from those before; all of them if before is nil.
func (p *painter) appendRow(b []byte, y int, before, row []cell) []byte {
	for x := range row {
		if before != nil && looksLike(before[x], row[x]) || row[x].r == 0 {
			continue // the right half of a wide rune is written with the left one
		}
		b = p.appendMove(b, x, y, row)
		b = p.appendCell(b, row, x)
	}
	return b
}

// looksLike reports whether two cells look alike. Blanks do in all styles but the reversed one.
func looksLike(a, b cell) bool {
	return a == b || a.r == ' ' && b.r == ' ' && a.style != styleTab && b.style != styleTab
}

// shortGap is a number of cells that are written again rather than skipped, because that takes no more bytes.
const shortGap = 3

// appendMove moves the cursor to column x of row y.
func (p *painter) appendMove(b []byte, x, y int, row []cell) []byte {
	gap := x - p.atX
	switch {
	case p.atY != y || gap < 0:
		b = append(b, "\x1b["...)
		b = strconv.AppendInt(b, int64(y+1), 10)
		b = append(b, ';')
		b = strconv.AppendInt(b, int64(x+1), 10)
		b = append(b, 'H')
	case gap > shortGap:
		b = append(b, "\x1b["...)
		b = strconv.AppendInt(b, int64(gap), 10)
		b = append(b, 'C')
	default:
		for i := p.atX; i < x; i++ {
			b = p.appendCell(b, row, i)
		}
	}
	p.atX, p.atY = x, y
	return b
}

// appendCell writes the cell at column x, where the cursor is.
func (p *painter) appendCell(b []byte, row []cell, x int) []byte {
	c := row[x]
	if c.r == 0 {
		return b
	}
	if sgr := p.sgr[c.style]; sgr != p.inEffect && (c.r != ' ' || c.style == styleTab || p.inEffect == p.sgr[styleTab]) {
		if p.inEffect != "" {
			b = append(b, reset...)
		}
		b = append(b, sgr...)
		p.inEffect = sgr
	}
	b = utf8.AppendRune(b, c.r)
	p.atX = x + 1
	if p.atX < len(row) && row[p.atX].r == 0 {
		p.atX++
	}
	if p.atX >= len(row) {
		p.atY = -1 // some terminals wrap here
	}
	return b
}

// synchronized is called when the terminal has said that it can show writes at once.
func (p *painter) synchronized() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sync = true
}

// painted is the model of a program whose frames a painter shows.
type painted struct {
	*model
	painter *painter
	profile colorprofile.Profile
	styles  *theme             // of which sgr was made
	sgr     [styleCount]string // with the colours that the terminal has
}

func newPainted(m *model, out io.Writer) *painted {
	return &painted{model: m, painter: &painter{out: out}, profile: colorprofile.TrueColor}
}

// Update changes the model and shows its new frame.
func (p *painted) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.ColorProfileMsg:
		p.profile, p.styles = msg.Profile, nil
	case tea.ModeReportMsg:
		if msg.Mode == ansi.ModeSynchronizedOutput && msg.Value == ansi.ModeReset {
			p.painter.synchronized()
		}
	}
	_, cmd := p.model.Update(msg)
	p.paint()
	return p, cmd
}

func (p *painted) paint() {
	if p.styles != p.model.theme {
		p.styles = p.model.theme
		for i, s := range p.styles.sgr {
			p.sgr[i] = inProfile(s, p.profile)
		}
	}
	c := p.model.frame()
	if p.model.ASCII {
		c.toASCII()
	}
	p.painter.paint(c, p.sgr)
}

// View is the modes of the terminal and a blank frame.
func (p *painted) View() tea.View {
	v := p.model.modes()
	v.Content = " "
	return v
}

// inProfile is an escape sequence without the colours that a terminal does not have.
func inProfile(sgr string, profile colorprofile.Profile) string {
	var b bytes.Buffer
	_, _ = (&colorprofile.Writer{Forward: &b, Profile: profile}).WriteString(sgr) // a buffer takes everything
	return b.String()
}

// output is what Bubble Tea writes to.
func (p *painted) output() io.Writer {
	if f, ok := p.painter.out.(*os.File); ok {
		return terminalFile{p.painter, f}
	}
	return p.painter
}

// terminalFile is a painter that has the descriptor of its terminal, whose size and modes Bubble Tea needs.
type terminalFile struct {
	*painter
	file *os.File
}

func (t terminalFile) Read(b []byte) (int, error) { return t.file.Read(b) }
func (t terminalFile) Close() error               { return t.file.Close() }
func (t terminalFile) Fd() uintptr                { return t.file.Fd() }

package tui

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// styleID is the meaning of a piece of text. The theme decides how it looks.
type styleID uint8

const (
	styleText   styleID = iota
	styleDim            // borders, hints, disabled keys and knobs
	styleBold           // titles, key names
	styleAccent         // pending values, the selection, the primary key
	stylePass
	styleFail
	styleWarn // undecided verdicts, warnings
	styleTab  // the tab of the open view
	styleData
	styleSLA
	styleMark // applied changes
	styleCount
)

// theme has the escape sequence that starts each style.
type theme struct {
	dark bool
	sgr  [styleCount]string
}

// newTheme uses the 16 colours that the terminal's own theme defines and sets no background. In the
// Solarized themes most bright colours are greys, and bright black is the background: so dim text is
// faint and not grey, and bright colours are only used where a grey is readable too. Passes are blue, because some users cannot distinguish
// green from red.
func newTheme(dark bool) *theme {
	pick := lipgloss.LightDark(dark)
	fg := func(light, dark color.Color) lipgloss.Style {
		return lipgloss.NewStyle().Foreground(pick(light, dark))
	}
	styles := [styleCount]lipgloss.Style{
		styleDim:    lipgloss.NewStyle().Faint(true),
		styleBold:   lipgloss.NewStyle().Bold(true),
		styleAccent: fg(lipgloss.Magenta, lipgloss.Cyan).Bold(true),
		stylePass:   fg(lipgloss.Blue, lipgloss.BrightBlue).Bold(true),
		styleFail:   fg(lipgloss.Red, lipgloss.BrightRed).Bold(true),
		styleWarn:   fg(lipgloss.Magenta, lipgloss.Yellow),
		styleTab:    lipgloss.NewStyle().Reverse(true),
		styleData:   fg(lipgloss.Blue, lipgloss.Cyan),
		styleSLA:    fg(lipgloss.Magenta, lipgloss.Yellow),
		styleMark:   fg(lipgloss.Magenta, lipgloss.BrightMagenta),
	}
	t := &theme{dark: dark}
	for i, s := range styles {
		t.sgr[i], _, _ = strings.Cut(s.Render("x"), "x")
	}
	return t
}

package tui

import (
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"
)

// ink is what a piece of text means; the theme says how that looks.
type ink uint8

const (
	inkText   ink = iota
	inkDim        // frames, hints, what is disabled
	inkBold       // titles, key names
	inkAccent     // pending, selected, the mode's key
	inkPass
	inkFail
	inkWarn // close calls, doubts, warnings
	inkTab  // the view that is open
	inkData
	inkSLA
	inkMark // applied changes
	inkCount
)

// theme holds the escape sequence that starts each ink.
type theme struct {
	dark bool
	sgr  [inkCount]string
}

// newTheme keeps to the 16 colours that the terminal's own theme defines, paints
// no background, and tells nothing by colour alone. Blue against red stays
// distinct for people who cannot tell green from red.
func newTheme(dark bool) *theme {
	pick := lipgloss.LightDark(dark)
	fg := func(light, dark color.Color) lipgloss.Style {
		return lipgloss.NewStyle().Foreground(pick(light, dark))
	}
	styles := [inkCount]lipgloss.Style{
		inkDim:    fg(lipgloss.BrightBlack, lipgloss.BrightBlack),
		inkBold:   lipgloss.NewStyle().Bold(true),
		inkAccent: fg(lipgloss.Magenta, lipgloss.BrightCyan).Bold(true),
		inkPass:   fg(lipgloss.Blue, lipgloss.BrightBlue).Bold(true),
		inkFail:   fg(lipgloss.Red, lipgloss.BrightRed).Bold(true),
		inkWarn:   fg(lipgloss.Magenta, lipgloss.BrightYellow),
		inkTab:    lipgloss.NewStyle().Reverse(true),
		inkData:   fg(lipgloss.Blue, lipgloss.BrightCyan),
		inkSLA:    fg(lipgloss.Magenta, lipgloss.Yellow),
		inkMark:   fg(lipgloss.Magenta, lipgloss.BrightMagenta),
	}
	t := &theme{dark: dark}
	for i, s := range styles {
		t.sgr[i], _, _ = strings.Cut(s.Render("x"), "x")
	}
	return t
}

package check

import (
	"fmt"
	"strings"

	"sweetspot/engine/config"
)

// Lines returns a line for each finding, then what is in force.
func (r Report) Lines() string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, Line(f))
	}
	for _, e := range r.Effects {
		b.WriteString(EffectText(e))
	}
	return b.String()
}

// Line returns a finding in one line.
func Line(f config.Finding) string {
	text := fmt.Sprintf("%s:%d: %s: ", f.File, f.Line, f.Severity)
	if f.Key != "" {
		text += f.Key + ": "
	}
	text += f.Does
	if f.Write != "" {
		text += "; " + f.Write
	}
	return text
}

// EffectText returns what a model is served with, a line for each value.
func EffectText(e config.Effect) string {
	var b strings.Builder
	name := strings.TrimSpace(e.Model + " " + e.Version)
	if e.Model == "" {
		name = "the archive's model"
	}
	fmt.Fprintf(&b, "%s is served with:\n", name)
	for _, v := range e.Values {
		fmt.Fprintf(&b, "  %-15s %s (%s)\n", v.Name, v.Value, v.From)
	}
	return b.String()
}

// Blocks returns the report for a person: a paragraph for each finding.
func (r Report) Blocks() string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s:%d  %s  %s\n    %s\n", f.File, f.Line, f.Severity, f.Key, f.Does)
		if f.Write != "" {
			mark := ""
			if f.Fixable {
				mark = " (--fix)"
			}
			fmt.Fprintf(&b, "    %s%s\n", f.Write, mark)
		}
	}
	for _, e := range r.Effects {
		b.WriteString(EffectText(e))
	}
	return b.String()
}

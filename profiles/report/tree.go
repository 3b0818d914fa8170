package report

import (
	"bytes"
	"fmt"
	"path"

	"sweetspot/profiles"
)

// File is one file of a report.
type File struct {
	Path string // relative, with slashes
	Data []byte
}

// The names of the files of a report.
const (
	MarkdownFile = "report.md"
	PageFile     = "report.html"
	ABFile       = "ab_report.csv"
	StatsFile    = "stats_metrics.json"
	// SuiteFolder has a folder for each setting, as the suite's /tmp/ts_benchmark; report.md is not
	// in it, because the suite's own generator of reports reads everything there.
	SuiteFolder = "ts_benchmark"
)

// Tree returns the files of a report of profiles: a page, report.md, and in [SuiteFolder] for each
// setting a folder with its ab_report.csv and stats_metrics.json, as the suite has them. With
// charts, there are SVG and PNG files of all charts in the folder charts.
func Tree(ps []*profiles.Profile, charts bool) ([]File, error) {
	ss := newSections(ps)
	var out []File
	for _, f := range []struct{ name, format string }{{PageFile, "html"}, {MarkdownFile, "md"}, {ABFile, "ab"}} {
		var b bytes.Buffer
		if err := Write(&b, ps, f.format, ""); err != nil {
			return nil, err
		}
		out = append(out, File{f.name, b.Bytes()})
	}
	names := map[string]int{}
	for i := range ss {
		more, err := ss[i].trialFiles(names)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
		if charts {
			if more, err = ss[i].chartFiles(len(ss) > 1); err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// trialFiles returns the files of each row. names counts names that were used, so that none is used
// twice.
func (s *section) trialFiles(names map[string]int) ([]File, error) {
	var out []File
	for _, r := range s.byTrial {
		name := s.trialName(r)
		if names[name]++; names[name] > 1 {
			name = fmt.Sprintf("%d_%s", names[name], name)
		}
		only := *s
		only.byTrial = only.byTrial[:0:0]
		only.byTrial = append(only.byTrial, r)
		for _, f := range []struct {
			name  string
			write func(sections, *bytes.Buffer) error
		}{
			{ABFile, func(ss sections, b *bytes.Buffer) error { return ss.ab(b) }},
			{StatsFile, func(ss sections, b *bytes.Buffer) error { return ss.stats(b) }},
		} {
			var b bytes.Buffer
			if err := f.write(sections{only}, &b); err != nil {
				return nil, err
			}
			out = append(out, File{path.Join(SuiteFolder, name, f.name), b.Bytes()})
		}
	}
	return out, nil
}

// chartFiles returns all charts. With several profiles each has a folder.
func (s *section) chartFiles(several bool) ([]File, error) {
	folder := "charts"
	if several {
		folder = path.Join(folder, s.profile.Header.ID)
	}
	var out []File
	for _, p := range s.plots(plotWidth) {
		data, err := p.Picture.PNG(pngScale)
		if err != nil {
			return nil, err
		}
		out = append(out, File{path.Join(folder, p.Name+".svg"), p.Picture.SVG()}, File{path.Join(folder, p.Name+".png"), data})
	}
	return out, nil
}

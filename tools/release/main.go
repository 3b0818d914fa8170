// Command release builds the archives that are published: for each platform one with the
// program, which contains ONNX Runtime, the manual pages, shell completions, the licences of
// everything in it and a list of its parts (CycloneDX). SHA256SUMS has their checksums.
//
//	go run -C tools/release . -out dist
//	go run -C tools/release . -out dist -platforms linux/amd64
//
// Two runs on one commit write the same bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "release: %v\n", err)
		os.Exit(1)
	}
}

// release is one run.
type release struct {
	root    string // of the repository
	out     string
	version string
	goroot  string // of the compiler
	extras  string // folder with the manual pages and the completions
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	out := flags.String("out", "dist", "`FOLDER` of the archives, below the repository or absolute")
	platforms := flags.String("platforms", strings.Join(usualPlatforms(), ","), "`PLATFORMS` with commas between them: "+strings.Join(knownPlatforms(), ", "))
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q: release takes no arguments; see -h", flags.Arg(0))
	}
	root, err := output(ctx, ".", nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	targets, err := parsePlatforms(*platforms)
	if err != nil {
		return err
	}
	r := &release{root: root, out: *out}
	if !filepath.IsAbs(r.out) {
		r.out = filepath.Join(root, r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "sweetspot-release-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	return r.make(ctx, targets, work)
}

// make writes the archives and their checksums.
func (r *release) make(ctx context.Context, targets []platform, work string) error {
	if err := r.prepare(ctx, work); err != nil {
		return err
	}
	var archives []string
	for _, p := range targets {
		fmt.Fprintf(os.Stderr, "release: %s\n", p)
		archive, err := r.platform(ctx, p, filepath.Join(work, p.folder()))
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		archives = append(archives, archive)
	}
	return writeSums(r.out, archives)
}

// prepare finds out the version and writes what is the same for all platforms.
func (r *release) prepare(ctx context.Context, work string) (err error) {
	if r.goroot, err = output(ctx, r.root, nil, "go", "env", "GOROOT"); err != nil {
		return err
	}
	host := filepath.Join(work, "sweetspot")
	if _, err := output(ctx, r.root, nil, "go", "build", "-trimpath", "-o", host, "./cmd/sweetspot"); err != nil {
		return err
	}
	line, err := output(ctx, r.root, nil, host, "version")
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "sweetspot" {
		return fmt.Errorf("sweetspot version prints %q; want \"sweetspot VERSION\"", line)
	}
	r.version = words[1]
	r.extras = filepath.Join(work, "extras")
	return r.writeExtras(ctx, host)
}

// writeExtras writes the manual pages and the completions into r.extras.
func (r *release) writeExtras(ctx context.Context, host string) error {
	man, completions := filepath.Join(r.extras, "man", "man1"), filepath.Join(r.extras, "completions")
	if err := errors.Join(os.MkdirAll(man, 0o755), os.MkdirAll(completions, 0o755)); err != nil {
		return err
	}
	if _, err := output(ctx, r.root, nil, host, "man", man); err != nil {
		return err
	}
	for shell, name := range map[string]string{"bash": "sweetspot.bash", "zsh": "_sweetspot", "fish": "sweetspot.fish"} {
		script, err := output(ctx, r.root, nil, host, "completion", shell)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(completions, name), []byte(script+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// platform builds one archive below folder and returns its name.
func (r *release) platform(ctx context.Context, p platform, folder string) (string, error) {
	name := "sweetspot-" + r.version + "-" + p.folder()
	dir := filepath.Join(folder, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "sweetspot")
	if err := r.build(ctx, p, program); err != nil {
		return "", err
	}
	parts, err := r.parts(ctx, program)
	if err != nil {
		return "", err
	}
	if err := writeNotices(filepath.Join(dir, "THIRD_PARTY_NOTICES.txt"), parts); err != nil {
		return "", err
	}
	if err := r.writeSBOM(filepath.Join(dir, "sbom.cdx.json"), program, parts); err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(r.extras)); err != nil {
		return "", err
	}
	for _, file := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		if err := copyFile(filepath.Join(r.root, file), filepath.Join(dir, file)); err != nil {
			return "", err
		}
	}
	archive := name + ".tar.gz"
	return archive, writeArchive(filepath.Join(r.out, archive), folder, name)
}

// Command ort makes sure that the ONNX Runtime library is installed, and prints its path.
//
//	go run ./cmd/ort                 find it, or install the pinned release into the user's cache
//	go run ./cmd/ort -embed DIR      also pack it, with its licences, into DIR for go:embed
//	go run ./cmd/ort -platform linux/arm64 -embed DIR   pack that of another platform
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sweetspot/engine/backend/onnx/ortlib"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "" // a library named by the environment needs no cache; ortlib reports an error if a cache is needed
	}
	o := ortlib.FromEnv(os.Getenv, cache)
	o.Log = os.Stderr
	code := run(ctx, os.Args[1:], o, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0, or 1 after a line on stderr.
func run(ctx context.Context, args []string, o ortlib.Options, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("ort", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("embed", "", "also pack the library and its licences into `DIR`")
	flags.StringVar(&o.Platform, "platform", "", "pack the library of this `PLATFORM`, such as linux/arm64; default: this machine's")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 1
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "ort: %q: ort takes no arguments; see ort -h\n", flags.Arg(0))
		return 1
	}
	if o.Platform != "" && *dir == "" {
		fmt.Fprintln(stderr, "ort: -platform needs -embed: a library of another platform is only packed")
		return 1
	}
	if err := ensure(ctx, o, *dir, stdout); err != nil {
		fmt.Fprintf(stderr, "ort: %v\n", err)
		return 1
	}
	return 0
}

// ensure finds or installs the library, packs it into dir if that is not empty, and prints its
// path. Of a named platform it only packs it.
func ensure(ctx context.Context, o ortlib.Options, dir string, stdout io.Writer) error {
	if o.Platform != "" {
		return ortlib.Pack(ctx, o, dir)
	}
	lib, err := ortlib.Find(o)
	if errors.Is(err, ortlib.ErrNotFound) {
		lib, err = ortlib.Install(ctx, o)
	}
	if err != nil {
		return err
	}
	if dir != "" {
		if err := ortlib.Pack(ctx, o, dir); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(stdout, lib.Path)
	return err
}

//go:build linux

package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sweetspot/engine/torchservetest"
	"sweetspot/profiles"
)

// realArchive makes an archive of scale for a real TorchServe.
func realArchive(t *testing.T) string {
	t.Helper()
	store := t.TempDir()
	torchservetest.Archive(t, store, "scale", "1.0", "")
	return filepath.Join(store, "scale")
}

// startedArgs returns the arguments of a sweep with a TorchServe that is started.
func startedArgs(venv, archive string, more ...string) []string {
	return append([]string{
		archive, "--target", "torchserve", "--torchserve", venv, "--input", "../../testdata/bodies/four.json", "--sweep", "--strategy", "grid",
		"--percentile", "50", "--sla", "1s", "--concurrency", "4", "--workers", "1-2", "--batch-size", "1,4", "--batch-delay", "2",
	}, more...)
}

// processesWith returns the command lines of processes that have a text in them.
func processesWith(t *testing.T, text string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		line, _ := os.ReadFile(file) // it may have ended
		if bytes.Contains(line, []byte(text)) {
			out = append(out, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return out
}

// noneLeft waits until no process has the folder in its command line, and the folder is empty.
func noneLeft(t *testing.T, after, tmp string) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		left := processesWith(t, tmp)
		files, _ := filepath.Glob(tmp + "/*")
		if len(left) == 0 && len(files) == 0 {
			return
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("after %s: %q run, %q are left", after, left, files)
		}
	}
}

// TestRealTorchServeStarted sweeps an archive with a TorchServe that is started for it. A fresh one with the written config.properties
// has these settings, and nothing is left after the end, Ctrl-C and kill -9.
func TestRealTorchServeStarted(t *testing.T) {
	venv, archive := torchservetest.Find(t), realArchive(t)
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir, tmp, out := t.TempDir(), t.TempDir(), t.TempDir()
	command := func(more ...string) *exec.Cmd {
		cmd := exec.Command(path, startedArgs(venv, archive, more...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state", "TMPDIR="+tmp)
		return cmd
	}
	text, err := command("--budget", "0s", "--requests", "600", "--out", out).CombinedOutput()
	t.Logf("%s", text)
	if err != nil {
		t.Fatal(err)
	}
	noneLeft(t, "the end", tmp)
	checkBreakdown(t, filepath.Join(out, "profile.jsonl"), true)
	checkFresh(t, out)

	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		for _, when := range []string{"ModelServer", "model_service_worker"} { // while it starts, and in the sweep
			cmd := command("--budget", "10m", "--requests", "100000000")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for begin := time.Now(); len(processesWith(t, tmp)) == 0 || !strings.Contains(strings.Join(processesWith(t, tmp), "\n"), when); time.Sleep(20 * time.Millisecond) {
				if time.Since(begin) > hang {
					t.Fatalf("no process %s", when)
				}
			}
			_ = cmd.Process.Signal(signal)
			_ = cmd.Wait()
			noneLeft(t, signal.String()+" with "+when, tmp)
		}
	}
}

// checkFresh compares the settings of a config.properties with those of a fresh TorchServe that is started with it.
func checkFresh(t *testing.T, out string) {
	t.Helper()
	properties, err := os.ReadFile(filepath.Join(out, "config.properties"))
	if err != nil {
		t.Fatal(err)
	}
	fresh, _ := realServer(t, string(properties))
	all, err := fresh.Describe(t.Context(), "scale")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a fresh TorchServe: %s", described(t, fresh.Management))
	for _, key := range []string{"minWorkers", "maxWorkers", "batchSize", "maxBatchDelay"} {
		_, rest, ok := strings.Cut(string(properties), `"`+key+`": `)
		value, _, _ := strings.Cut(rest, ",")
		if got := all[0][key]; !ok || value != number(got) {
			t.Errorf("%s: the file has %q, the fresh server %v", key, value, got)
		}
	}
}

// checkBreakdown checks that the trials of a profile have the times that TorchServe reports, and that they fit the latency.
func checkBreakdown(t *testing.T, path string, logs bool) {
	t.Helper()
	p, err := profiles.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Trials {
		queue, ok1 := r.Breakdown.Queue.Get()
		execution, ok2 := r.Breakdown.Execution.Get()
		mean := r.Latency.Mean.Or(0)
		t.Logf("trial %d, %v: queue %.2f, execution %.2f, handler %s of %.2f ms; batches %s", r.N, r.Settings, queue, execution, r.Breakdown.Handler.Text(2), mean, r.Batches.Mean.Text(2))
		if !ok1 || !ok2 || queue+execution > 1.1*mean || queue+execution < .3*mean || r.Breakdown.Handler.OK() != logs || r.Batches.Mean.OK() != logs {
			t.Errorf("trial %d: breakdown %+v, batches %v, mean latency %.3f; %v", r.N, r.Breakdown, r.Batches, mean, r.Warnings)
		}
	}
}

// TestRealTorchServeMetrics reads the metrics of a running TorchServe in both modes.
func TestRealTorchServeMetrics(t *testing.T) {
	for _, mode := range []string{"prometheus", "log"} {
		s, command := realServer(t, "load_models=scale=scale.mar\nmetrics_mode="+mode+"\n")
		at, out := s.Metrics, t.TempDir()
		if mode == "log" {
			text, err := command(sweepArgs(s, "--dry-run", "--metrics", at)...).CombinedOutput()
			if exitCode(err) != exitError || !strings.Contains(string(text), "give the folder of ts_metrics.log with --metrics FOLDER") {
				t.Errorf("the metrics of log mode at a URL: %v, %s", err, text)
			}
			at = filepath.Join(s.Dir, "logs")
		}
		text, err := command(sweepArgs(s, "--budget", "0s", "--requests", "600", "--out", out, "--metrics", at)...).CombinedOutput()
		t.Logf("%s:\n%s", mode, text)
		if err != nil {
			t.Fatal(err)
		}
		checkBreakdown(t, filepath.Join(out, "profile.jsonl"), mode == "log")
	}
}

// certificateFiles writes a certificate for 127.0.0.1 that signs itself, and its key, as PEM files. TorchServe needs RSA.
func certificateFiles(t *testing.T) (certificate, private string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "127.0.0.1"}, // Java refuses a certificate without
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string]string{
		"certificate.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"key.pem":         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	})
	return filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
}

// TestRealTorchServeTLS sweeps a real TorchServe that has https addresses, with a certificate in PEM, and tokens, and restores it. Without
// its token or its certificate it is not changed.
func TestRealTorchServeTLS(t *testing.T) {
	certificate, private := certificateFiles(t)
	s, command := secureServer(t, certificate, "certificate_file="+certificate+"\nprivate_key_file="+private+"\n")
	keys := filepath.Join(s.Dir, "key_file.json")
	trust := []string{"--ca", certificate, "--key-file", keys, "--metrics", filepath.Join(s.Dir, "logs")}
	out := t.TempDir()
	text, err := command(sweepArgs(s, append(trust, "--budget", "0s", "--requests", "600", "--out", out)...)...).CombinedOutput()
	t.Logf("%s", text)
	if err != nil {
		t.Fatal(err)
	}
	checkBreakdown(t, filepath.Join(out, "profile.jsonl"), true)
	for _, c := range []struct {
		args []string
		want string
	}{
		{trust[:2], "give it with --key-file"},
		{trust[2:], "certificate"},
	} {
		text, err := command(sweepArgs(s, c.args...)...).CombinedOutput()
		if exitCode(err) != exitError || !strings.Contains(string(text), c.want) {
			t.Errorf("%q: %v, %s, want %q", c.args, err, text, c.want)
		}
	}
}

// secureServer starts a real TorchServe with https addresses, whose certificate config names, and tokens.
func secureServer(t *testing.T, certificate, config string) (*torchservetest.Server, func(args ...string) *exec.Cmd) {
	t.Helper()
	archive, dir := realArchive(t), t.TempDir()
	s, err := torchservetest.Start(t, torchservetest.Options{
		Store: filepath.Dir(archive), Secure: certificate,
		Config: "load_models=scale=scale\n" + config,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitReady(t.Context(), "scale"); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	return s, func(args ...string) *exec.Cmd {
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/data", "XDG_STATE_HOME="+dir+"/state")
		return cmd
	}
}

// TestRealTorchServeOnScreen opens the workbench on a TorchServe that is started. A change of the batch size, which registers the model
// again, is applied under live load without a failed request, and nothing is left at the end.
func TestRealTorchServeOnScreen(t *testing.T) {
	venv, archive, tmp := torchservetest.Find(t), realArchive(t), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	body, err := filepath.Abs("../../testdata/bodies/four.json")
	if err != nil {
		t.Fatal(err)
	}
	s := openScreen(t, 130, 40, archive, "--target", "torchserve", "--torchserve", venv, "--input", body, "--concurrency", "4", "--batch-delay", "2")
	s.waitFor("serving scale")
	s.waitFor("over ") // answers have arrived
	s.press("\x1b[B", "\x1b[C", "\r")
	s.waitFor("batch size 1→2 (")
	s.waitFor("failed              0")
	t.Logf("%s", s.text())
	s.press("q")
	if code := s.waitForEnd(); code != exitYes {
		t.Errorf("exit %d", code)
	}
	noneLeft(t, "the end", tmp)
}

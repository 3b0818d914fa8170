package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/torchservetest"
)

// TestRealTorchServeKeystore: a real TorchServe whose certificate is in a Java keystore is swept with the certificate that the
// command of the hint writes, and serve has the same certificate after the commands of its error.
func TestRealTorchServeKeystore(t *testing.T) {
	torchservetest.Find(t)
	for _, tool := range []string{"keytool", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	store := filepath.Join(dir, "my store.jks")
	shell := func(command string) {
		t.Helper()
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, text)
		}
	}
	shell("keytool -genkeypair -keyalg RSA -alias ts -keystore " + shellQuote(store) +
		" -storepass changeit -keypass changeit -storetype JKS -dname CN=127.0.0.1 -ext san=ip:127.0.0.1")
	// The hints ask for the password; here the same commands are given it.
	trust, _, _ := strings.Cut(trustCommand(store), "    ")
	shell("echo changeit | " + trust)
	trusted := filepath.Join(dir, "ca.pem")
	s, command := secureServer(t, trusted, "keystore="+store+"\nkeystore_pass=changeit\nkeystore_type=JKS\n")
	text, err := command(sweepArgs(s, "--ca", trusted, "--key-file", filepath.Join(s.Dir, "key_file.json"), "--metrics", filepath.Join(s.Dir, "logs"),
		"--budget", "0s", "--requests", "300")...).CombinedOutput()
	t.Logf("%s", text)
	if err != nil {
		t.Fatal(err)
	}

	convert := strings.ReplaceAll(keystoreCommands(store, "JKS"), "openssl pkcs12", "openssl pkcs12 -passin pass:changeit")
	shell(strings.ReplaceAll(convert, "keytool", "keytool -srcstorepass changeit -deststorepass changeit"))
	file := filepath.Join(dir, "config.properties")
	if err := os.WriteFile(file, []byte("disable_token_authorization=true\nkeystore=my store.jks\nkeystore_type=JKS\ncertificate_file=certificate.pem\nprivate_key_file=key.pem\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inference, _, _ := startServerIn(t, dir, "--ts-config", file, "--listen=https://127.0.0.1:0", "sim:animated-drawings")
	pem, err := os.ReadFile(trusted)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	r, err := client.Get(inference + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	if r.Body.Close(); r.StatusCode != http.StatusOK {
		t.Errorf("status %d", r.StatusCode)
	}
}

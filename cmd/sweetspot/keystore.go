package main

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/config"
)

// A Java keystore has the certificate and the private key of a TorchServe with https. This program reads PEM files only, so
// wherever a keystore is given, the error has the commands that convert it.

// keystoreType is the one without keystore_type.
const keystoreType = "PKCS12"

// checkKeystore refuses a keystore that an https address would need.
func checkKeystore(t config.TorchServe, addresses ...string) error {
	secure := slices.ContainsFunc(addresses, func(at string) bool { return strings.HasPrefix(at, "https://") })
	if t.Keystore == "" || t.Certificate != "" || !secure {
		return nil
	}
	return withHint(keystoreCommands(t.Keystore, t.KeystoreType),
		"keystore %s is not read: convert it to PEM files, and name them with certificate_file and private_key_file", t.Keystore)
}

// keystoreCommands are the commands that write the certificates and the private key of a keystore as PEM files. They ask
// for its password.
func keystoreCommands(file, kind string) string {
	var out []string
	if kind != "" && !strings.EqualFold(kind, keystoreType) {
		const converted = "keystore.p12"
		out = append(out, fmt.Sprintf("keytool -importkeystore -srckeystore %s -srcstoretype %s -destkeystore %s -deststoretype %s",
			shellQuote(file), shellQuote(kind), converted, keystoreType))
		file = converted
	}
	file = shellQuote(file)
	out = append(out, "openssl pkcs12 -in "+file+" -nokeys -out certificate.pem", "openssl pkcs12 -in "+file+" -nodes -nocerts -out key.pem")
	return strings.Join(out, " && ")
}

// trustCommand is the command that writes the certificates of a keystore of any type as a PEM file.
func trustCommand(file string) string {
	return "keytool -list -rfc -keystore " + shellQuote(file) + " > ca.pem    if it is a Java keystore; then --ca ca.pem"
}

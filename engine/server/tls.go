package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"time"
)

// TLS returns the configuration of https addresses: with the PEM files of a certificate chain and
// of its private key, or, without both, with a certificate of its own for loopback names, which
// no client trusts by itself. TLS 1.2 and 1.3 are offered.
func TLS(certificate, key string) (*tls.Config, error) {
	var pair tls.Certificate
	var err error
	switch {
	case certificate != "" && key != "":
		if pair, err = tls.LoadX509KeyPair(certificate, key); err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", certificate, key, err)
		}
	case certificate == "" && key == "":
		if pair, err = selfSigned(time.Now()); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a certificate and its private key are needed, and only one file is given: %s%s", certificate, key)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// selfSigned makes a certificate for this machine's loopback names.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	c := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sweetspot"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// completeTLS makes a certificate if an address with TLS has none.
func (c *Config) completeTLS() (err error) {
	secure := map[string]bool{c.Inference: isSecure(c.Inference), c.Management: isSecure(c.Management), c.Metrics: isSecure(c.Metrics)}
	secure[c.GRPC.Inference], secure[c.GRPC.Management] = c.grpcSecure(c.GRPC.Inference), c.grpcSecure(c.GRPC.Management)
	for _, text := range slices.Sorted(maps.Keys(secure)) {
		if c.TLS == nil && secure[text] {
			if c.TLS, err = TLS("", ""); err != nil {
				return err
			}
			c.Log.Warn("TLS with a certificate of its own, which no client trusts by itself", "address", text)
		}
	}
	return nil
}

// grpcSecure reports whether an address of gRPC has TLS.
func (c *Config) grpcSecure(text string) bool { return text != "" && (c.GRPC.Secure || isSecure(text)) }

func isSecure(text string) bool {
	at, err := parseAddress(text, "0", "0")
	return err == nil && at.secure
}

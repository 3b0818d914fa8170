package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM writes the parts of a program as a CycloneDX document. It has no time and no
// serial number, so that two runs write the same bytes.
func (r *release) writeSBOM(file, program string, parts []part) error {
	sum, err := sumOf(program)
	if err != nil {
		return err
	}
	const self = "sweetspot"
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: self, Type: cdx.ComponentTypeApplication, Name: self, Version: r.version,
		Licenses: licencesOf([]string{"Apache-2.0"}),
		Hashes:   &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
	}}
	components, refs := make([]cdx.Component, 0, len(parts)), make([]string, 0, len(parts))
	for _, p := range parts {
		c := cdx.Component{BOMRef: p.purl, Type: cdx.ComponentTypeLibrary, Name: p.name, Version: p.version, PackageURL: p.purl, Licenses: licencesOf(p.licences)}
		if p.sum != "" {
			c.Properties = &[]cdx.Property{{Name: "go:sum", Value: p.sum}}
		}
		components, refs = append(components, c), append(refs, p.purl)
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: self, Dependencies: &refs}}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return f.Close()
}

func licencesOf(ids []string) *cdx.Licenses {
	out := cdx.Licenses{}
	for _, id := range ids {
		out = append(out, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return &out
}

// sumOf returns the SHA-256 of a file in hexadecimal.
func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

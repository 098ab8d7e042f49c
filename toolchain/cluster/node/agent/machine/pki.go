package machine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Nobody renews certificates here, and the cluster is for one machine: they outlast it.
const validity = 10 * 365 * 24 * time.Hour

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// ensureLasting makes, once, what must outlive the container: two authorities and the key that signs service
// accounts' tokens. They appear all together or not at all.
func ensureLasting(folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	partial := folder + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(partial, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"ca", "front-proxy-ca"} {
		if err := makeAuthority(partial, name); err != nil {
			return err
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(partial, "service-accounts.key"), "EC PRIVATE KEY", encoded); err != nil {
		return err
	}
	return os.Rename(partial, folder)
}

func makeAuthority(folder, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := newTemplate(pkix.Name{CommonName: "lakestack-cluster-" + name})
	if err != nil {
		return err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return writePair(folder, name, certificate, key)
}

// ReadAuthority reads one that was made before.
func ReadAuthority(folder, name string) (*Authority, error) {
	certificate, err := readPEM(filepath.Join(folder, name+".crt"))
	if err != nil {
		return nil, err
	}
	key, err := readPEM(filepath.Join(folder, name+".key"))
	if err != nil {
		return nil, err
	}
	authority := &Authority{}
	if authority.certificate, err = x509.ParseCertificate(certificate); err != nil {
		return nil, err
	}
	authority.key, err = x509.ParseECPrivateKey(key)
	return authority, err
}

// Subject is who a certificate is for.
type Subject struct {
	Name string
	// Groups of a client, as RBAC knows them.
	Groups []string
	// Names and addresses of a server. A certificate without any is a client's.
	Hosts []string
}

// Issue makes a key with a certificate: FOLDER/NAME.crt and .key.
func (a *Authority) Issue(folder, name string, subject Subject) error {
	template, err := newTemplate(pkix.Name{CommonName: subject.Name, Organization: subject.Groups})
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, host := range subject.Hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	return writePair(folder, name, certificate, key)
}

func newTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	// Clocks of clients may be behind.
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
	}, nil
}

func writePair(folder, name string, certificate []byte, key *ecdsa.PrivateKey) error {
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, name+".key"), "EC PRIVATE KEY", encoded); err != nil {
		return err
	}
	return writePEM(filepath.Join(folder, name+".crt"), "CERTIFICATE", certificate)
}

func writePEM(file, kind string, content []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}

func readPEM(file string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s: expected PEM", file)
	}
	return block.Bytes, nil
}

package machine

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheAuthoritiesLastAndWhatTheySignedIsTrustedLater(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pki")
	if err := ensureLasting(folder); err != nil {
		t.Fatal(err)
	}
	before := read(t, filepath.Join(folder, "ca.crt"))
	if err := ensureLasting(folder); err != nil {
		t.Fatal(err)
	}
	if read(t, filepath.Join(folder, "ca.crt")) != before {
		t.Error("expected a second start to keep the authority")
	}

	authority, err := ReadAuthority(folder, "ca")
	if err != nil {
		t.Fatal(err)
	}
	subject := Subject{Name: "apiserver", Hosts: []string{"localhost", "127.0.0.1"}}
	if err := authority.Issue(folder, "server", subject); err != nil {
		t.Fatal(err)
	}
	encoded, err := readPEM(filepath.Join(folder, "server.crt"))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(before))
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: "elsewhere"}); err == nil {
		t.Error("expected the certificate to be for its own names only")
	}
}

func TestAnInterruptedFirstStartIsMended(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "pki")
	if err := os.MkdirAll(folder+".partial", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder+".partial", "ca.crt"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ensureLasting(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAuthority(folder, "front-proxy-ca"); err != nil {
		t.Error(err)
	}
}

func TestTheFirstProcessOfAContainerIsToldFromTheOthers(t *testing.T) {
	for status, want := range map[string]bool{
		"Name:\tjava\nNSpid:\t812\t1\n":     true,
		"Name:\tjava\nNSpid:\t813\t7\n":     false,
		"Name:\tkubelet\nNSpid:\t1\n":       false,
		"Name:\tjava\nNSpid:\t81\t12\t1\n": true,
	} {
		if got := isFirst(status); got != want {
			t.Errorf("%q: got %v, expected %v", status, got, want)
		}
	}
	if !isPause("/bin/busybox\x00sleep\x002147483647\x00") || isPause("/bin/busybox\x00sleep\x0010\x00") {
		t.Error("expected only the image's own command to count as a pause")
	}
}

func TestAProcessThatEndsIsStartedAgainAndStopEndsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "starts")
	process := Run("test", "/bin/sh", "-c", "echo started >> "+file)
	deadline := time.Now().Add(10 * time.Second)
	for {
		content, _ := os.ReadFile(file)
		if strings.Count(string(content), "started") >= 2 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("expected a second start within ten seconds")
		}
		time.Sleep(20 * time.Millisecond)
	}
	process.Stop()
	before := read(t, file)
	time.Sleep(3 * shortestPause)
	if read(t, file) != before {
		t.Error("expected no start after the stop")
	}
}

func TestStopWaitsForAProcessThatEndsInItsOwnTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "farewell")
	ready := file + ".ready"
	process := Run("test", "/bin/sh", "-c", "trap 'sleep 0.3; echo done > "+file+"; exit 0' TERM; : > "+ready+"; while :; do sleep 0.05; done")
	for range 200 {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	process.Stop()
	if read(t, file) != "done\n" {
		t.Error("expected the process to be asked, and waited for")
	}
}

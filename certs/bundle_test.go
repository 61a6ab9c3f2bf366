package certs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/attribproxy/attribproxy/certs"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWriteBundles(t *testing.T) {
	dir := t.TempDir()
	a := ephemeral(t, oneHost)
	system, corporate, node := someRoot(t), someRoot(t), someRoot(t)
	// Neither text ends with a newline, and one root is in both.
	base := certs.Base{Source: "/etc/ssl/zertifikate-für-alle.pem", PEM: bytes.TrimSpace(system), NodeExtra: bytes.TrimSpace(node)}
	b, err := certs.WriteBundles(dir, a, base, bytes.TrimSpace(corporate), system)
	if err != nil {
		t.Fatal(err)
	}
	want := certs.Bundles{
		CAOnly:             filepath.Join(dir, "ca-only.pem"),
		NodeExtra:          filepath.Join(dir, "ca-node.pem"),
		Combined:           filepath.Join(dir, "bundle.pem"),
		TrustStore:         filepath.Join(dir, "truststore.p12"),
		TrustStorePassword: "changeit",
	}
	if d := cmp.Diff(want, b); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if found, err := certs.FindBundles(dir); err != nil || found != b {
		t.Errorf("found %+v (%v)", found, err)
	}
	if d := cmp.Diff(string(a.RootPEM()), string(read(t, b.CAOnly))); d != "" {
		t.Errorf("CA-only:\n%s", d)
	}
	if d := cmp.Diff(string(node)+string(corporate)+string(system)+string(a.RootPEM()), string(read(t, b.NodeExtra))); d != "" {
		t.Errorf("for Node:\n%s", d)
	}
	comment, certificates, _ := strings.Cut(string(read(t, b.Combined)), "\n")
	if d := cmp.Diff(string(system)+string(corporate)+string(a.RootPEM()), certificates); d != "" {
		t.Errorf("combined:\n%s", d)
	}
	// Some readers decode the whole file as ASCII.
	if !strings.HasPrefix(comment, "# ") || !strings.Contains(comment, "zertifikate-f\\u00fcr-alle") || !strings.Contains(comment, a.Fingerprint()) {
		t.Errorf("comment %q", comment)
	}
	trusted, err := pkcs12.DecodeTrustStore(read(t, b.TrustStore), b.TrustStorePassword)
	if err != nil {
		t.Fatal(err)
	}
	var store bytes.Buffer
	for _, c := range trusted {
		store.Write(encode([][]byte{c.Raw}))
	}
	if d := cmp.Diff(certificates, store.String()); d != "" {
		t.Errorf("trust store:\n%s", d)
	}
}

func TestWithoutExtrasNodeGetsOurRootAlone(t *testing.T) {
	dir, a := t.TempDir(), ephemeral(t, oneHost)
	if _, err := certs.FindBundles(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	// The first time there was something to add; it must not stay behind.
	for _, extra := range [][]byte{someRoot(t), nil} {
		b, err := certs.WriteBundles(dir, a, certs.Base{PEM: someRoot(t), NodeExtra: extra})
		if err != nil {
			t.Fatal(err)
		}
		if (b.NodeExtra == b.CAOnly) != (extra == nil) {
			t.Errorf("%s and %s", b.NodeExtra, b.CAOnly)
		}
		if found, err := certs.FindBundles(dir); err != nil || found != b {
			t.Errorf("found %+v (%v)", found, err)
		}
	}
}

// Writing again, as every start does, replaces the files and leaves none over.
func TestBundlesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	base := certs.Base{PEM: someRoot(t)}
	var last certs.Bundles
	for range 3 {
		a := ephemeral(t, oneHost)
		var err error
		if last, err = certs.WriteBundles(dir, a, base); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasSuffix(read(t, last.Combined), a.RootPEM()) {
			t.Error("the bundle does not end with the new root")
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("%v", entries)
	}
}

// Java keeps one certificate for each alias: the roots of two keys that share a
// subject must both be there.
func TestKeytoolSeesEveryRoot(t *testing.T) {
	needTool(t, "keytool")
	base, err := certs.FindBase(environ(), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := certs.WriteBundles(t.TempDir(), ephemeral(t, oneHost), base, someRoot(t), someRoot(t))
	if err != nil {
		t.Fatal(err)
	}
	out, err := command(t, nil, "keytool", "-list", "-storetype", "PKCS12", "-keystore", b.TrustStore, "-storepass", b.TrustStorePassword)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Count(read(t, b.Combined), []byte("BEGIN CERTIFICATE"))
	if got := strings.Count(out, "trustedCertEntry"); got != want {
		t.Errorf("Java sees %d of %d roots", got, want)
	}
}

func BenchmarkWriteBundles(b *testing.B) {
	base, err := certs.FindBase(environ(), fstest.MapFS{})
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	for b.Loop() {
		a, err := certs.NewEphemeral(oneHost)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := certs.WriteBundles(dir, a, base); err != nil {
			b.Fatal(err)
		}
	}
}

package e2e_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

const (
	trackingID = "7f3a9c52-1d84-4e6b-9a0f-2c5e8b7d4161"
	token      = "pid-" + trackingID
	armURL     = "https://" + fakecloud.DefaultARMHost
	groupPath  = "/subscriptions/" + fakecloud.SubscriptionID + "/resourcegroups/e2e"
	otherHost  = "contoso.blob.core.windows.net"
	fixedToken = "e2e-token" // for clients that do not sign in
)

// sandbox is a fake cloud of its own and a place for a client to live in.
type sandbox struct {
	cloud *fakecloud.Cloud
	dir   string
	base  string   // PEM file with the CA that the user's company put into every bundle: the fake cloud's
	env   []string // what the client's user has set, before any proxy
}

func newSandbox(t *testing.T, hosts ...string) *sandbox {
	t.Helper()
	cloud, err := fakecloud.Start(fakecloud.Options{Others: append(hosts, otherHost)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Errorf("closing the fake cloud: %v", err)
		}
	})
	s := &sandbox{cloud: cloud, dir: t.TempDir()}
	for _, d := range []string{"home", "tmp", "work"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.base = filepath.Join(s.dir, "company.pem")
	if err := os.WriteFile(s.base, cloud.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8",
		"HOME=" + filepath.Join(s.dir, "home"), "TMPDIR=" + filepath.Join(s.dir, "tmp"), "WORK=" + filepath.Join(s.dir, "work"),
		// What a user behind a company's proxy has. Sign-in passes our proxy as
		// it is, so these must keep their effect.
		"SSL_CERT_FILE=" + s.base, "REQUESTS_CA_BUNDLE=" + s.base, "CURL_CA_BUNDLE=" + s.base, "NODE_EXTRA_CA_CERTS=" + s.base,
		"AZURE_TENANT_ID=" + fakecloud.TenantID, "AZURE_CLIENT_ID=" + fakecloud.ClientID,
		"AZURE_CLIENT_SECRET=" + fakecloud.ClientSecret, "AZURE_SUBSCRIPTION_ID=" + fakecloud.SubscriptionID,
		"AZURE_CONFIG_DIR=" + filepath.Join(s.dir, "home", "azure"),
		"AZURE_CORE_COLLECT_TELEMETRY=false", "AZURE_CORE_NO_COLOR=true", "AZURE_CORE_SURVEY_MESSAGE=false",
		"ARM=" + armURL, "RG=" + groupPath, "OTHER=https://" + otherHost, "ARM_TOKEN=" + fixedToken, "TRACKING_ID=" + token,
	}
	return s
}

// truststore makes a Java truststore of the base.
func (s *sandbox) truststore(t *testing.T) string {
	t.Helper()
	block, _ := pem.Decode(s.cloud.CAPEM())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	store, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{cert}, "changeit")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, "truststore.p12")
	if err := os.WriteFile(path, store, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// exec runs a command to its end and fails the test unless it exits with 0.
func (s *sandbox) exec(t *testing.T, env, argv []string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = filepath.Join(s.dir, "work")
	cmd.Env = slices.Concat(s.env, env)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, &out, &errs)
	}
	return out.String(), errs.String()
}

// clientFile gives the absolute path of a file in the clients folder.
func clientFile(t *testing.T, elem ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"clients"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func splitURL(t *testing.T, raw string) (host, port string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), u.Port()
}

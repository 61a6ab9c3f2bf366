package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Who called is on record: the program, the script that started it, and the CI
// job, of which nothing but what is allowed.
func TestRunRecordsTheCaller(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := newSite(t)
	dir, err := filepath.EvalSymlinks(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.file("deploy.sh", "\"$1\" "+armURL+"rg-1"+apiVersion+" # s3cret\ntrue\n")
	s.env = append(s.env, "GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=contoso/infra", "GITHUB_RUN_ID=42", "GITHUB_TOKEN=s3cret")
	r := s.run("run", "--config", s.config("labels: [team=platform]\n"+ruleYAML("contoso", testID)), "--", "bash", "./deploy.sh", s.client(), "s3cret")
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	events := s.journal()
	if len(events) != 1 {
		t.Fatalf("%d events on record, want 1", len(events))
	}
	want := []string{"team=platform", "ci=github-actions", "ci.repository=contoso/infra", "ci.run=42"}
	if diff := cmp.Diff(want, events[0].Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	_, script, _ := strings.Cut(events[0].Process, " from ")
	if !strings.HasPrefix(events[0].Process, "/") || script != filepath.Join(dir, "deploy.sh") && !strings.HasPrefix(script, filepath.Join(dir, "deploy.sh")+" from ") {
		t.Errorf("process %q", events[0].Process)
	}
	if line, err := events[0].MarshalJSON(); err != nil || strings.Contains(string(line), "s3cret") {
		t.Errorf("%v: a secret is on record: %s", err, line)
	}
}

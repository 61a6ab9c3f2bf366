package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCILabels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		want []string
	}{
		{"none", []string{"BUILD_BUILDID=1", "JOB_NAME=x", "GITHUB_REPOSITORY=a/b", "CI=true"}, nil},
		{
			"Azure Pipelines",
			[]string{
				"TF_BUILD=True", "SYSTEM_TEAMPROJECT=Platform", "BUILD_REPOSITORY_NAME=infra", "BUILD_DEFINITIONNAME=Deploy all", "BUILD_BUILDID=4711",
				"SYSTEM_STAGENAME=prod", "SYSTEM_JOBNAME=deploy", "AGENT_JOBNAME=Deploy", "AGENT_NAME=agent-1", "SYSTEM_ACCESSTOKEN=s3cret", "BUILD_REPOSITORY_URI=https://u:s3cret@h",
			},
			[]string{"ci=azure-pipelines", "ci.project=Platform", "ci.repository=infra", "ci.pipeline=Deploy all", "ci.run=4711", "ci.stage=prod", "ci.job=deploy", "ci.agent=agent-1"},
		},
		{"Azure release", []string{"TF_BUILD=True", "RELEASE_DEFINITIONNAME=Ship", "RELEASE_RELEASEID=3", "RELEASE_ENVIRONMENTNAME=prod"}, []string{"ci=azure-pipelines", "ci.pipeline=Ship", "ci.run=3", "ci.stage=prod"}},
		{
			"GitHub Actions",
			[]string{"CI=true", "GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=contoso/infra", "GITHUB_WORKFLOW=deploy", "GITHUB_RUN_ID=12", "GITHUB_JOB=apply", "RUNNER_NAME=r1", "GITHUB_TOKEN=s3cret"},
			[]string{"ci=github-actions", "ci.repository=contoso/infra", "ci.pipeline=deploy", "ci.run=12", "ci.job=apply", "ci.agent=r1"},
		},
		{
			"GitLab",
			[]string{"GITLAB_CI=true", "CI_PROJECT_PATH=contoso/infra", "CI_PIPELINE_ID=9", "CI_JOB_NAME=apply", "CI_JOB_STAGE=prod", "CI_JOB_TOKEN=s3cret", "CI_REPOSITORY_URL=https://u:s3cret@h"},
			[]string{"ci=gitlab", "ci.repository=contoso/infra", "ci.run=9", "ci.stage=prod", "ci.job=apply"},
		},
		{"Jenkins", []string{"JENKINS_URL=https://u:s3cret@ci/", "JOB_NAME=folder/deploy", "BUILD_NUMBER=5", "NODE_NAME=built-in", "GIT_URL=https://u:s3cret@h"}, []string{"ci=jenkins", "ci.pipeline=folder/deploy", "ci.run=5", "ci.agent=built-in"}},
		{
			"odd values",
			[]string{"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=", "GITHUB_WORKFLOW= a\x1b[31m\n\u202eb\xff ", "GITHUB_JOB=" + strings.Repeat("é", 5000), "GITHUB_RUN_ID=\n"},
			[]string{"ci=github-actions", "ci.pipeline=a[31mb", "ci.job=" + strings.Repeat("é", 64)},
		},
	}
	for _, tt := range tests {
		a := &app{env: tt.env}
		got := ciLabels(a.getenv)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if strings.Contains(strings.Join(got, "\n"), "s3cret") {
			t.Errorf("%s: a secret got out: %q", tt.name, got)
		}
	}
}

func TestWithCILabels(t *testing.T) {
	t.Parallel()
	configured := append(make([]string, 0, 8), "team=platform", "ci.job=mine")
	got := withCILabels(configured, []string{"ci=gitlab", "ci.job=theirs"})
	if diff := cmp.Diff([]string{"team=platform", "ci.job=mine", "ci=gitlab"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"team=platform", "ci.job=mine", ""}, configured[:3]); diff != "" {
		t.Errorf("the configuration was changed: %s", diff)
	}
}

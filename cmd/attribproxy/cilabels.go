package main

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCIValue bounds what one variable of a CI system may put on record, bytes.
const maxCIValue = 128

// ciSystem is where a CI system says which job this is. Only what is named
// here is read: a job's environment is full of secrets. URLs are not, for they
// may hold credentials.
type ciSystem struct {
	name   string
	marker string // set in every job of the system
	value  string // what the marker is set to; "" for anything
	labels []ciLabel
}

// ciLabel is a label and the variables it may come from, the first that is set.
type ciLabel struct {
	name      string
	variables []string
}

// ciSystems are the systems that are known.
//
// https://learn.microsoft.com/azure/devops/pipelines/build/variables
// https://docs.github.com/actions/reference/workflows-and-actions/variables
// https://docs.gitlab.com/ci/variables/predefined_variables/
// https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables
func ciSystems() []ciSystem {
	return []ciSystem{
		{"azure-pipelines", "TF_BUILD", "True", []ciLabel{
			{"ci.project", []string{"SYSTEM_TEAMPROJECT"}},
			{"ci.repository", []string{"BUILD_REPOSITORY_NAME"}},
			{"ci.pipeline", []string{"BUILD_DEFINITIONNAME", "RELEASE_DEFINITIONNAME"}},
			{"ci.run", []string{"BUILD_BUILDID", "RELEASE_RELEASEID"}},
			{"ci.stage", []string{"SYSTEM_STAGENAME", "RELEASE_ENVIRONMENTNAME"}},
			{"ci.job", []string{"SYSTEM_JOBNAME", "AGENT_JOBNAME"}},
			{"ci.agent", []string{"AGENT_NAME"}},
		}},
		{"github-actions", "GITHUB_ACTIONS", "true", []ciLabel{
			{"ci.repository", []string{"GITHUB_REPOSITORY"}},
			{"ci.pipeline", []string{"GITHUB_WORKFLOW"}},
			{"ci.run", []string{"GITHUB_RUN_ID"}},
			{"ci.job", []string{"GITHUB_JOB"}},
			{"ci.agent", []string{"RUNNER_NAME"}},
		}},
		{"gitlab", "GITLAB_CI", "", []ciLabel{
			{"ci.repository", []string{"CI_PROJECT_PATH"}},
			{"ci.pipeline", []string{"CI_PIPELINE_NAME"}},
			{"ci.run", []string{"CI_PIPELINE_ID"}},
			{"ci.stage", []string{"CI_JOB_STAGE"}},
			{"ci.job", []string{"CI_JOB_NAME"}},
			{"ci.agent", []string{"CI_RUNNER_DESCRIPTION"}},
		}},
		{"jenkins", "JENKINS_URL", "", []ciLabel{
			{"ci.pipeline", []string{"JOB_NAME"}},
			{"ci.run", []string{"BUILD_NUMBER"}},
			{"ci.stage", []string{"STAGE_NAME"}},
			{"ci.agent", []string{"NODE_NAME"}},
		}},
	}
}

// ciLabels are labels that say which CI job this is: "ci=github-actions",
// "ci.repository=contoso/infra", …; none outside of the systems that are known.
func ciLabels(getenv func(string) string) []string {
	for _, s := range ciSystems() {
		marker := getenv(s.marker)
		if marker == "" || s.value != "" && !strings.EqualFold(marker, s.value) {
			continue
		}
		labels := []string{"ci=" + s.name}
		for _, l := range s.labels {
			for _, variable := range l.variables {
				if value := ciValue(getenv(variable)); value != "" {
					labels = append(labels, l.name+"="+value)
					break
				}
			}
		}
		return labels
	}
	return nil
}

// ciValue bounds a value and leaves out what would not be seen as it stands.
func ciValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s[:min(len(s), 4*maxCIValue)])
	for len(s) > maxCIValue {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return strings.TrimSpace(s)
}

// withCILabels adds labels to those of the configuration, whose names win.
func withCILabels(configured, ci []string) []string {
	labels := slices.Clone(configured)
	for _, l := range ci {
		name, _, _ := strings.Cut(l, "=")
		if !slices.ContainsFunc(configured, func(c string) bool { return strings.HasPrefix(c, name+"=") }) {
			labels = append(labels, l)
		}
	}
	return labels
}

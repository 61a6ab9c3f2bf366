package arm_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/arm"
)

func scanBatch(body string, size int) arm.BatchResult {
	s := arm.NewBatchScanner()
	for len(body) > 0 {
		n := min(size, len(body))
		_, _ = s.Write([]byte(body[:n]))
		body = body[n:]
	}
	return s.Result()
}

func TestBatchScanner(t *testing.T) {
	const rg = "/subscriptions/" + sub + "/resourceGroups/rg1"
	const vm = rg + "/providers/Microsoft.Compute/virtualMachines/vm1"
	write := func(method, url string) arm.BatchWrite {
		return arm.BatchWrite{Method: method, Target: arm.ParseTarget(method, url)}
	}
	tests := []struct {
		name, body string
		want       []arm.BatchWrite
		broken     bool
	}{
		{
			name: "as the portal sends it",
			body: `{"requests":[
 {"httpMethod":"GET","name":"a","requestHeaderDetails":{"commandName":"fx"},"url":"` + vm + `?api-version=2024-07-01"},
 {"httpMethod":"PUT","name":"b","requestHeaderDetails":{"commandName":"fx"},"url":"https://management.azure.com` + vm + `?api-version=2024-07-01&sig=s3cret","content":{"httpMethod":"DELETE","url":"/secret","properties":{"adminPassword":"s3cret"}}},
 {"url":"` + rg + `?api-version=2021-04-01","httpMethod":"delete"}]}`,
			want: []arm.BatchWrite{write("PUT", vm+"?api-version=2024-07-01"), write("DELETE", rg+"?api-version=2021-04-01")},
		},
		{
			name: "relative URLs and all methods", body: `{"Requests":[{"HttpMethod":"Patch","relativeUrl":"` + vm[1:] + `"},{"httpMethod":"POST","relativeUrl":"` + vm + `/start#sig=1"}],}`,
			want: []arm.BatchWrite{write("PATCH", vm), write("POST", vm+"/start")},
		},
		{name: "credentials in the URL", body: `{"requests":[{"httpMethod":"PUT","url":"https://user:s3cret@management.azure.com` + rg + `"}]}`, want: []arm.BatchWrite{write("PUT", rg)}},
		{name: "another scheme", body: `{"requests":[{"httpMethod":"PUT","url":"ftp://user:s3cret@h/a"}]}`, want: []arm.BatchWrite{{Method: "PUT", Target: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}}}},
		{name: "no URL", body: `{"requests":[{"httpMethod":"PUT"}]}`, want: []arm.BatchWrite{write("PUT", "/")}},
		{name: "unknown methods", body: `{"requests":[{"httpMethod":"s3cret","url":"/a"},{"url":"/a"},{"httpMethod":1,"url":"/a"},"PUT",[{"httpMethod":"PUT"}]]}`},
		{name: "another place", body: `{"x":{"requests":[{"httpMethod":"PUT","url":"/a"}]},"httpMethod":"PUT"}`},
		{name: "the last of two", body: `{"requests":[{"httpMethod":"PUT","url":"/a"}],"requests":[]}`},
		{name: "no batch", body: `[]`, broken: true},
		{name: "broken off", body: `{"requests":[{"httpMethod":"PUT","url":"` + rg + `"},{"httpMethod":"PUT"`, want: []arm.BatchWrite{write("PUT", rg)}, broken: true},
		{
			name: "endless URL", body: `{"requests":[{"httpMethod":"PUT","url":"` + rg + `/` + strings.Repeat("x", 9000) + `?sig=s3cret"}]}`,
			want: []arm.BatchWrite{{Method: "PUT", Target: arm.Target{Path: (rg + `/` + strings.Repeat("x", 9000))[:8192], Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}}},
		},
		{
			name: "endless query", body: `{"requests":[{"httpMethod":"PUT","url":"` + rg + `?api-version=1&x=` + strings.Repeat("x", 9000) + `"}]}`,
			want: []arm.BatchWrite{write("PUT", rg+"?api-version=1")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{len(tt.body) + 1, 1, 5} {
				got := scanBatch(tt.body, size)
				if diff := cmp.Diff(arm.BatchResult{Writes: tt.want, Complete: !tt.broken}, got); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", size, diff)
				}
				if strings.Contains(fmt.Sprintf("%+v", got), "s3cret") {
					t.Errorf("a secret got out: %+v", got)
				}
			}
		})
	}
}

func TestBatchScannerIsBounded(t *testing.T) {
	for name, path := range map[string]string{"count": "/a", "paths": "/" + strings.Repeat("a", 4000)} {
		request := `{"httpMethod":"PUT","url":"` + path + `"},`
		got := scanBatch(`{"requests":[`+strings.Repeat(request, 1200)+`]}`, 32<<10)
		kept := 0
		for _, w := range got.Writes {
			kept += len(w.Target.Path)
		}
		if len(got.Writes) > 500 || kept > 256<<10 || len(got.Writes)+got.Omitted != 1200 || !got.Complete {
			t.Errorf("%s: %d writes with %d bytes of paths, %d omitted, complete %t", name, len(got.Writes), kept, got.Omitted, got.Complete)
		}
	}
}

func BenchmarkBatchScanner(b *testing.B) {
	request := `{"httpMethod":"PUT","name":"a","url":"/subscriptions/` + sub + `/resourceGroups/rg1?api-version=2021-04-01","content":{"location":"westeurope","tags":{"a":"` + strings.Repeat("b", 2000) + `"}}},`
	data := []byte(`{"requests":[` + strings.Repeat(request, 1<<20/len(request)) + `]}`)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s := arm.NewBatchScanner()
		_, _ = s.Write(data)
	}
}

package clientproc

import (
	"strings"
	"testing"
)

func TestScriptOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		exe, args string // words
		want      string // path, or "-m module"
	}{
		{"/usr/bin/python3.11", "python3 /usr/bin/az group create --password s3cret", "/usr/bin/az"},
		{"/usr/bin/python3.11", "python3 -u -W ignore -X dev deploy.py s3cret", "deploy.py"},
		{"/usr/bin/python3.11", "python3 -Wignore -Xdev -I deploy.py", "deploy.py"},
		{"/usr/bin/python3.11", "python3 --check-hash-based-pycs never deploy.py", "deploy.py"},
		{"/usr/bin/python3.11", "python3 -m azure.cli login -p s3cret", "-m azure.cli"},
		{"/usr/bin/python3.11", "python3 -sm azure.cli login -p s3cret", "-m azure.cli"},
		{"/usr/bin/python3.11", "python3 -mazure.cli", "-m azure.cli"},
		{"/usr/bin/python3.11", "python3 -m s3cret=1", ""},
		{"/usr/bin/python3.11", "python3 -c s3cret deploy.py", ""},
		{"/usr/bin/python3.11", "python3 -ucs3cret deploy.py", ""},
		{"/usr/bin/python3.11", "python3 - deploy.py", ""},
		{"/usr/bin/python3.11", "python3", ""},
		{"/usr/bin/bash", "bash deploy.sh s3cret", "deploy.sh"},
		{"/usr/bin/bash", "/bin/bash -euo pipefail ./deploy.sh", "./deploy.sh"},
		{"/usr/bin/bash", "bash +e -O extglob --rcfile x --norc -- deploy.sh", "deploy.sh"},
		{"/usr/bin/bash", "bash -ec s3cret deploy.sh", ""},
		{"/usr/bin/bash", "bash -s deploy.sh", ""},
		{"/usr/bin/bash", "-bash", ""},
		{"/usr/bin/bash", "bash --", ""},
		{"/bin/busybox", "sh deploy.sh", "deploy.sh"},
		{"/bin/busybox", "wget deploy.sh", ""},
		{"/usr/bin/node", "node --require ./x.js --max-old-space-size=4096 -r y app.js s3cret", "app.js"},
		{"/usr/bin/node", "node -e s3cret app.js", ""},
		{"/usr/bin/node", "node --eval=s3cret app.js", ""},
		{"/usr/bin/perl", "perl -w -MTime::HiRes -Ilib -I lib2 deploy.pl", "deploy.pl"},
		{"/usr/bin/perl", "perl -ne s3cret file", ""},
		{"/usr/bin/ruby3.1", "ruby -rjson -r set deploy.rb", "deploy.rb"},
		{"/usr/bin/php8.2", "php -d memory_limit=1 -f deploy.php", "deploy.php"},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh -NoProfile -ExecutionPolicy Bypass -File deploy.ps1 -Key s3cret", "deploy.ps1"},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh -nologo deploy.ps1", "deploy.ps1"},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh -NoProfile -Command s3cret", ""},
		{"/opt/microsoft/powershell/7/pwsh", "pwsh -EncodedCommand s3cret", ""},
		{"/usr/lib/jvm/17/bin/java", "java -Dkey=s3cret -cp a.jar -jar app.jar s3cret", "app.jar"},
		{"/usr/lib/jvm/17/bin/java", "java -cp a.jar com.example.Main -jar s3cret", ""},
		{"/usr/bin/dotnet", "dotnet exec --depsfile x app.dll s3cret", "app.dll"},
		{"/usr/bin/dotnet", "dotnet run s3cret", ""},
		{"/usr/bin/terraform", "terraform apply s3cret", ""},
		{"/usr/bin/curl", "curl -H s3cret https://x", ""},
		{"", "", ""},
	}
	for _, tt := range tests {
		got := scriptOf(tt.exe, strings.Fields(tt.args))
		text := got.path
		if got.module != "" {
			text = "-m " + got.module
		}
		if text != tt.want {
			t.Errorf("%s: got %q, want %q", tt.args, text, tt.want)
		}
	}
}

func FuzzScriptOf(f *testing.F) {
	f.Add("/usr/bin/python3", "python3\x00-m\x00x")
	f.Add("/usr/bin/bash", "bash\x00-\x00+\x00--\x00")
	f.Fuzz(func(t *testing.T, exe, line string) {
		s := scriptOf(exe, strings.Split(line, "\x00"))
		if !strings.Contains(line, s.path) || !strings.Contains(line, s.module) {
			t.Fatalf("%q %q: %+v", exe, line, s)
		}
	})
}

func TestChain(t *testing.T) {
	t.Parallel()
	yes := func(path string) (string, bool) { return "/srv/" + path, true }
	run := func(parent int, exe, args string) process {
		return process{exe: exe, argv: strings.Fields(args), parent: parent, file: yes}
	}
	table := map[int]process{
		10: run(9, "/usr/bin/curl", "curl s3cret"),
		9:  run(8, "/usr/bin/bash", "bash deploy.sh s3cret"),
		8:  run(7, "/usr/bin/bash", "bash deploy.sh"), // a subshell's parent
		7:  run(6, "/usr/bin/make", "make all"),
		6:  run(5, "/usr/bin/python3", "python3 ci.py"),
		5:  run(1, "/usr/bin/bash", "-bash"),
		20: run(9, "/usr/bin/python3", "python3 az"),
		30: run(30, "/usr/bin/bash", "bash circle.sh"),
		40: {parent: 41}, 41: run(40, "/usr/bin/bash", "bash a.sh"),
		50: {exe: "/usr/bin/python3", argv: []string{"python3", "s3cret"}, file: func(string) (string, bool) { return "/s3cret", false }},
	}
	for i := range 20 {
		table[100+i] = run(101+i, "/usr/bin/bash", "bash "+strings.Repeat("x", i+1))
	}
	look := func(pid int) (process, bool) { p, ok := table[pid]; return p, ok }
	for pid, want := range map[int]string{
		10:  "/usr/bin/curl from /srv/deploy.sh from /srv/ci.py",
		20:  "/srv/az from /srv/deploy.sh from /srv/ci.py",
		30:  "/srv/circle.sh",
		40:  "",
		50:  "/usr/bin/python3",
		60:  "",
		100: "/srv/x from /srv/xx from /srv/xxx from /srv/xxxx",
	} {
		if got := chain(pid, look); got != want {
			t.Errorf("%d: got %q, want %q", pid, got, want)
		}
	}
}

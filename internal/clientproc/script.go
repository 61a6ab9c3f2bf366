package clientproc

import (
	"path"
	"strings"
)

// script is what an interpreter's arguments say it runs.
type script struct {
	path   string // as given, unchecked: an option's value may look like one
	module string // of Python
}

// interpreter is how one kind of interpreter reads its arguments.
type interpreter struct {
	inline string   // short options whose value, or what follows, is program text
	values string   // short options that take a value
	file   []string // options whose value is the script
	module byte     // short option whose value is a module
	stop   []string // long options whose value is program text
	long   []string // long options that take a value
	only   bool     // a script is named by an option of file alone
	suffix string   // the script's, if it must have one
	words  bool     // -word is one option, not four
}

// interpreterOf tells interpreters by the name of their executable without
// version: python3.11 is python.
func interpreterOf(name string) (interpreter, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, ".exe"))
	switch strings.TrimRight(name, "0123456789.-") {
	case "python", "pypy":
		return interpreter{inline: "c", values: "WXQ", module: 'm', long: []string{"--check-hash-based-pycs"}}, true
	case "bash", "sh", "dash", "ash", "zsh", "ksh", "mksh", "fish":
		return interpreter{inline: "cs", values: "oO", long: []string{"--rcfile", "--init-file", "--init-command"}}, true
	case "node", "nodejs", "bun":
		return interpreter{
			inline: "ep", values: "rC", stop: []string{"--eval", "--print"},
			long: []string{"--require", "--import", "--loader", "--experimental-loader", "--conditions", "--env-file", "--title"},
		}, true
	case "perl":
		return interpreter{inline: "eE", values: "IMm"}, true
	case "ruby":
		return interpreter{inline: "e", values: "rIC"}, true
	case "php":
		return interpreter{inline: "rBR", values: "cdz", file: []string{"-f", "--file"}, stop: []string{"--run"}}, true
	case "pwsh", "powershell":
		return interpreter{
			words: true, file: []string{"-file", "-f"},
			stop: []string{"-command", "-c", "-encodedcommand", "-enc", "-ec", "-e", "-commandwithargs", "-cwa"},
			long: []string{
				"-executionpolicy", "-ex", "-ep", "-workingdirectory", "-wd", "-configurationname", "-configurationfile", "-custompipename",
				"-inputformat", "-inp", "-if", "-outputformat", "-o", "-of", "-settingsfile", "-settings", "-version", "-v", "-windowstyle", "-w", "-psconsolefile",
			},
		}, true
	case "java":
		return interpreter{
			words: true, only: true, file: []string{"-jar"},
			long: []string{"-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules", "--add-opens", "--add-exports", "--add-reads"},
		}, true
	case "dotnet":
		return interpreter{words: true, suffix: ".dll", long: []string{"--additionalprobingpath", "--depsfile", "--runtimeconfig", "--fx-version", "--roll-forward", "--additional-deps"}}, true
	}
	return interpreter{}, false
}

// scriptOf finds the script in an interpreter's arguments; the zero value if
// exe is no interpreter or runs no file.
func scriptOf(exe string, argv []string) script {
	if len(argv) == 0 {
		return script{}
	}
	name := path.Base(exe)
	if name == "busybox" {
		name = path.Base(strings.TrimPrefix(argv[0], "-"))
	}
	in, ok := interpreterOf(name)
	if !ok {
		return script{}
	}
	args := argv[1:]
	if name == "dotnet" && len(args) > 0 && args[0] == "exec" {
		args = args[1:]
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "" || arg == "-":
			return script{}
		case arg == "--":
			if len(args) == 0 {
				return script{}
			}
			return in.positional(args[0])
		case arg[0] != '-' && (arg[0] != '+' || len(arg) < 2):
			return in.positional(arg)
		}
		found, skip, end := in.option(arg, args)
		if found != (script{}) || end {
			return found
		}
		args = args[min(skip, len(args)):]
	}
	return script{}
}

// positional is the first argument that is no option.
func (in interpreter) positional(arg string) script {
	if in.only || !strings.HasSuffix(strings.ToLower(arg), in.suffix) {
		return script{}
	}
	return script{path: arg}
}

// option reads one option: what it shows, how many of the arguments behind it
// belong to it, and whether there is no script to be found.
func (in interpreter) option(arg string, rest []string) (found script, skip int, end bool) {
	word := arg
	if in.words {
		word = strings.ToLower(arg)
	}
	switch {
	case has(in.file, word):
		if len(rest) > 0 {
			found.path = rest[0]
		}
		return found, 0, true
	case has(in.stop, word) || hasPrefix(in.stop, word):
		return script{}, 0, true
	case has(in.long, word):
		return script{}, 1, false
	case in.words || strings.HasPrefix(arg, "--"):
		return script{}, 0, false
	}
	for i := 1; i < len(arg); i++ {
		c, last := arg[i], i == len(arg)-1
		switch {
		case in.module != 0 && c == in.module:
			name := arg[i+1:]
			if last && len(rest) > 0 {
				name = rest[0]
			}
			if isModule(name) {
				found.module = name
			}
			return found, 0, true
		case strings.IndexByte(in.inline, c) >= 0:
			return script{}, 0, true
		case strings.IndexByte(in.values, c) >= 0:
			if last {
				return script{}, 1, false
			}
			return script{}, 0, false
		}
	}
	return script{}, 0, false
}

func has(list []string, word string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return false
}

// hasPrefix finds --option=value.
func hasPrefix(list []string, word string) bool {
	for _, w := range list {
		if strings.HasPrefix(w, "--") && strings.HasPrefix(word, w+"=") {
			return true
		}
	}
	return false
}

// isModule reports whether a name is a dotted Python name.
func isModule(name string) bool {
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.') {
			return false
		}
	}
	return name != "" && len(name) <= 100
}

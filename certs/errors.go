package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// ErrHostsChanged is what errors.Is finds in a [HostsChangedError].
var ErrHostsChanged = errors.New("the CA was made for other hosts")

// rotateRemedy is what mends every CA that cannot be used as it is.
const rotateRemedy = "make a new CA with 'attribproxy ca rotate', then let every client pick up the new bundle"

// Every error type here has a Remedy method: one line that says what to do.

// HostsChangedError says that the stored CA is constrained to other hosts than
// those to be served. It is never mended by itself: a new CA means that every
// client has to trust a new root.
type HostsChangedError struct {
	Dir string   // where the CA is
	Old []string // hosts of the stored CA
	New []string // hosts asked for
}

func (e *HostsChangedError) Error() string {
	return fmt.Sprintf("the CA in %s was made for %s, not for %s", e.Dir, list(e.Old), list(e.New))
}

// Unwrap makes errors.Is(err, ErrHostsChanged) true.
func (e *HostsChangedError) Unwrap() error { return ErrHostsChanged }

// Remedy says what to do.
func (e *HostsChangedError) Remedy() string { return rotateRemedy }

// KeyPermissionError says that others than its owner can read or write the
// issuing key.
type KeyPermissionError struct {
	Path string
	Mode fs.FileMode
}

func (e *KeyPermissionError) Error() string {
	return fmt.Sprintf("the CA key %s is open to other users (mode %04o): chmod 600 %s", e.Path, e.Mode.Perm(), shellQuote(e.Path))
}

// Remedy gives the command that closes the file.
func (e *KeyPermissionError) Remedy() string {
	return fmt.Sprintf("chmod 600 %s; if somebody else may have read it, also 'attribproxy ca rotate'", shellQuote(e.Path))
}

// ExpiredError says that the CA is past its end.
type ExpiredError struct {
	Dir      string // empty for a CA in memory
	NotAfter time.Time
}

func (e *ExpiredError) Error() string {
	where := ""
	if e.Dir != "" {
		where = " in " + e.Dir
	}
	return fmt.Sprintf("the CA%s expired on %s", where, e.NotAfter.UTC().Format(time.DateOnly))
}

// Remedy says what to do.
func (e *ExpiredError) Remedy() string { return rotateRemedy }

// DamagedError says that the files of a CA are incomplete, unreadable, do not
// belong together or are not ones this program made. They are left as found.
type DamagedError struct {
	Dir     string
	Problem string // what is wrong, naming the file
	Err     error  // the cause; may be nil
}

func (e *DamagedError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("the CA in %s cannot be used: %s: %v", e.Dir, e.Problem, e.Err)
	}
	return fmt.Sprintf("the CA in %s cannot be used: %s", e.Dir, e.Problem)
}

func (e *DamagedError) Unwrap() error { return e.Err }

// Remedy says what to do.
func (e *DamagedError) Remedy() string {
	return "put the right files back, or " + rotateRemedy
}

// UnknownHostError is the answer to a request for a host that the CA was not
// made for.
type UnknownHostError struct{ Host string }

func (e *UnknownHostError) Error() string {
	return fmt.Sprintf("the CA makes no certificate for %q", e.Host)
}

// BaseError says that a file of roots which a variable of the user's points at
// cannot be used.
type BaseError struct {
	Variable string // e.g. "SSL_CERT_FILE"
	Path     string
	Err      error
}

func (e *BaseError) Error() string {
	return fmt.Sprintf("reading the roots named by %s: %v", e.Variable, e.Err)
}

func (e *BaseError) Unwrap() error { return e.Err }

// Remedy says what to do.
func (e *BaseError) Remedy() string {
	return fmt.Sprintf("let %s name a PEM file of trusted roots, or unset it", e.Variable)
}

// list joins names for a sentence.
func list(names []string) string {
	if len(names) == 0 {
		return "no host"
	}
	return strings.Join(names, ", ")
}

// shellQuote quotes a path for a POSIX shell where it needs it.
func shellQuote(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

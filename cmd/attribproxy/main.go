// Command attribproxy is a local HTTPS proxy that puts a partner's tracking ID
// on Azure Resource Manager writes and keeps a record of each of them.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// Command demo shows the whole of attribproxy in half a minute, without an
// Azure account and without the network: a fake cloud, a real client, the
// User-Agent before and after, and what is on record. Everything lives in a
// temporary directory that is gone at the end.
//
//	go run ./internal/demo
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		stop()
		os.Exit(1)
	}
}

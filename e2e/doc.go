// Package e2e drives real clients, from curl to the Azure CLI, at a fake cloud:
// once directly, once through `attribproxy serve`, once under `attribproxy
// run`. What reaches the cloud through the proxy must be what the client sends
// by itself, but for the tracking ID at the end of the User-Agent of a write.
//
// The tests stand in package e2e_test. A client that is not installed is
// skipped with a word, and is a failure where the environment has CI set. The
// clients folder holds the scripts and programs that the clients run, and
// clients_test.go says what is known of each. E2E_ATTRIBPROXY names a built
// program to test in place of this source.
package e2e

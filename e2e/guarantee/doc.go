// Package guarantee holds `attribproxy serve`, as whole processes against a
// fake cloud, to what audit.guarantee promises: under kill -9, on disks that are
// full, broken or gone, while segments rotate and retention deletes, and in the
// hands of somebody who edits the files.
//
// The tests stand in package guarantee_test. Faults within one write (EIO, short
// writes, power cuts), clocks that jump and ten processes on one directory are
// tested where they can be injected, in package audit. GUARANTEE_SEED repeats a
// run's random choices; E2E_ATTRIBPROXY names a built program to test.
package guarantee

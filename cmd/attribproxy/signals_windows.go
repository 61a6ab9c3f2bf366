package main

import "os"

// passedOn are the signals that run hands to its child. A console delivers
// Ctrl-C to every process attached to it, so there is nothing to hand on; we
// only must not end before the child does.
var passedOn = []os.Signal{os.Interrupt}

// fromTerminal: see passedOn.
func fromTerminal(os.Signal) bool { return true }

package main

// clientPrograms: the tests with whole processes run on Unix.
func clientPrograms() map[string]func() { return nil }

// SPDX-License-Identifier: Apache-2.0

// Command interop runs every test below, in this order, and prints one line per test. Those that restart
// the broker come last, so that a broker that does not come back spoils nothing else.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func allTests() []test {
	var all []test
	for _, some := range [][]test{
		publishingTests, consumingTests, routingTests, messageTests, featureTests, queueTypeTests, lifetimeTests,
		errorTests, connectionTests, tlsTests, restartTests,
	} {
		all = append(all, some...)
	}
	return all
}

// selectTests returns the tests of these names, or all without names.
func selectTests(names []string) []test {
	all := allTests()
	if len(names) == 0 {
		return all
	}
	byName := map[string]test{}
	for _, one := range all {
		byName[one.name] = one
	}
	var selected []test
	for _, name := range names {
		one, known := byName[name]
		if !known {
			fmt.Fprintln(os.Stderr, "no such test:", name)
			os.Exit(64)
		}
		selected = append(selected, one)
	}
	return selected
}

func printVersions() {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			fmt.Printf("# %s %s, %s\n", module.Path, module.Version, runtime.Version())
		}
	}
}

func main() {
	printVersions()
	failed := 0
	for _, one := range selectTests(os.Args[1:]) {
		if err := one.run(); err != nil {
			failed++
			fmt.Printf("not ok %s: %s\n", one.name, oneLine(err.Error()))
		} else {
			fmt.Printf("ok %s\n", one.name)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

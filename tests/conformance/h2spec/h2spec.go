//go:build tools

// Package h2spec pins h2spec, and what it is built from, for Go 1.19 and newer: see .ci/run.
package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"

//go:build tools

// Package engine names what this module is for: the Pulumi command, built where its official download cannot be had.
package engine

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"

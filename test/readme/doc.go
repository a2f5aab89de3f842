// Package readme holds no code but a test: the walk in the README, run as it is
// written.
package readme

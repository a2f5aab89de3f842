// Package start holds no code but tests: what an operator relies on when a server
// starts, runs and ends.
package start

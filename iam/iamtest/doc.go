// Package iamtest gives tests of services what stands around a door: somebody who calls, a clock that
// stands still, and a log in memory.
package iamtest

// Package model compares the key service with a plain model of it: random operations by several
// callers under a clock that jumps, and racing operations whose answers must fit one order.
package model

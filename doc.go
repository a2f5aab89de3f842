// Package strongroom is the root of the repository. It holds no code: the
// program is in cmd/strongroom, and what stands on which floor is written as
// data in layout_test.go.
package strongroom

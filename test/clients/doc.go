// Package clients holds no code but tests: other people's clients, unmodified,
// against the program as it is built and started by its users.
//
// It is a module of its own, so that what these clients depend on does not
// enter the product, and it shares nothing with the product, not even helpers:
// it knows what outsiders know.
package clients

// Package clients holds no code but tests: other people's clients, unmodified,
// against the program as it is built and started by its users.
//
// It is a module of its own, so that what these clients depend on does not
// enter the product, and it shares nothing with the product, not even helpers:
// it knows what outsiders know. Between the clients and the server stands a
// judge, another program, which holds what they say to each other against the
// server's /openapi.json.
package clients

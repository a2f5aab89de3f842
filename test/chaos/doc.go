// Package chaos holds no code but tests: what is left when servers are killed at
// any moment, and what is found by who reads everything that they leave behind.
package chaos

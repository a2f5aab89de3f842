// Package server is the house: it opens the stores and the crypto module, makes
// the services, wires each to what it needs of the others, mounts the faces and
// runs the jobs. Nothing else in the house knows everybody.
package server

// Package agent is the process in which the vendor's PKCS#11 library runs, beside the one that
// serves: it holds the PIN and the sessions with the token, and does what requests on a socket ask
// (package wire). A library that crashes takes this process with it and no other, and what it keeps
// in memory is not in the memory of the process that talks to the world.
//
// The process takes no arguments: its parent hands it one end of a socket pair, and says the rest
// there. It ends when the socket closes.
package agent

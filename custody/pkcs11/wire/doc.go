// Package wire is the protocol between the process that serves and its custody agent, over a
// connected pair of stream sockets: length-prefixed binary messages, many requests under way at
// once, answers in any order.
//
// The agent keeps no state between requests: each names the generation of masters and brings the
// wrapped form of the key that it is about, so that agent and token may be started again at any
// time and nothing is lost. No answer carries key material; of the requests, Import and MakeMasters
// do.
//
// A message is
//
//	length    4 bytes, of what follows
//	ID        4 bytes, of the request; its answer has the same
//	kind      1 byte: the Op of a request, the Status of an answer
//	numbers   2 × 4 bytes
//	fields    1 byte: how many; each is preceded by its length in 4 bytes
//
// with all numbers big-endian. What numbers and fields mean is said with each [Op].
package wire

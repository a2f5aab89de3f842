package wire

import "fmt"

// Op is what a request asks for. A key is named by the number of the masters that wrap it and its
// wrapped form (AES key wrap, RFC 3394); an empty form names the seal master of that number.
// “Wrapped” in an answer is two fields: the copy under the wrap master and the one under the
// recovery key, which is empty where there is none.
type Op byte

// The operations.
const (
	// OpHello is the first request: field 0 holds a Hello. The answer holds a Status of the token.
	OpHello Op = iota + 1
	// OpCMAC: number 0 and field 0 name a key, field 1 holds two blocks. The answer holds two.
	OpCMAC
	// OpLoad tries whether the key of number 0 and field 0 unwraps, and keeps it at hand.
	OpLoad
	// OpForget unloads the key of number 0 and field 0, if it is at hand.
	OpForget
	// OpMake draws a key of number 1 bytes under the masters of number 0. The answer is Wrapped.
	OpMake
	// OpImport is Make for the material in field 0.
	OpImport
	// OpRewrap wraps the key of number 0 and field 0 under the masters of number 1: Wrapped.
	OpRewrap
	// OpTokenStatus: the answer holds a TokenStatus.
	OpTokenStatus
	// OpMakeMasters draws the masters of number 0; field 0 names the recovery key and field 1 holds
	// it, or is empty when the token has it. The answer holds the escrow, or nothing.
	OpMakeMasters
	// OpDestroyMasters destroys the masters of number 0.
	OpDestroyMasters
	// OpMakePair draws an RSA pair of number 1 bits. The answer: the public half (PKIX, DER) and the
	// private half as the wrap master of number 0 wraps it.
	OpMakePair
	// OpReceive takes in material: number 0 and field 0 are of the private half, field 1 holds the
	// encrypted material, field 2 the sealed nonce, field 3 its initialization vector, field 4 the
	// nonce. The answer: number 0 is the size of the key, the fields are Wrapped under the masters
	// of number 1.
	OpReceive
	// OpExportKey draws a transfer key. Field 0 holds the public key of the receiver. The answer: the
	// transfer key as the wrap master of number 0 wraps it, and encrypted to the receiver.
	OpExportKey
	// OpExport wraps the key of number 0 and field 0 under the transfer key that the masters of
	// number 1 wrap, in field 1. The answer holds the wrapped key.
	OpExport
	// OpIntakeKey takes a transfer key in: number 0 and field 0 are of the private half, field 1
	// holds the encrypted key. The answer: the transfer key as the same wrap master wraps it.
	OpIntakeKey
	// OpIntake takes a key in: field 0 holds it wrapped under the transfer key that the masters of
	// number 0 wrap, in field 1. The answer is Wrapped under the masters of number 1.
	OpIntake
	// OpAnchor: the answer holds the anchor; number 0 is 1 if there is one.
	OpAnchor
	// OpSetAnchor replaces the anchor by field 0.
	OpSetAnchor
	// OpPing asks whether the token works.
	OpPing
	// OpExamine examines the token. The answer holds an Examination.
	OpExamine

	ops // how many there are, and one
)

var opNames = [ops]string{
	"no operation", "hello", "cmac", "load", "forget", "make", "import", "rewrap", "status", "make masters",
	"destroy masters", "make pair", "receive", "export key", "export", "intake key", "intake", "anchor",
	"set anchor", "ping", "examine",
}

// String names the operation in logs.
func (o Op) String() string {
	if o < ops {
		return opNames[o]
	}
	return fmt.Sprintf("operation %d", byte(o))
}

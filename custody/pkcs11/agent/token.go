package agent

import (
	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// Token is what the agent serves. Package token has the real one, and the contract of each method
// is with the operation of package wire that has its name. It is safe for concurrent use.
type Token interface {
	Status() (wire.TokenStatus, error)
	Ping() error
	Examine() (wire.Examination, error)
	Close()

	CMAC(generation uint32, wrapped []byte, blocks *[2 * custody.BlockSize]byte) error
	Load(generation uint32, wrapped []byte) error
	Forget(generation uint32, wrapped []byte) error
	Make(generation uint32, size int) (custody.Wrapped, error)
	Import(generation uint32, material []byte) (custody.Wrapped, error)
	Rewrap(from uint32, wrapped []byte, to uint32) (custody.Wrapped, error)

	MakeMasters(number uint32, set string, key []byte) (escrow []byte, err error)
	DestroyMasters(number uint32) error

	MakePair(generation uint32, bits int) (public, private []byte, err error)
	Receive(generation uint32, private []byte, in custody.Transported, nonce []byte, to uint32) (size int, w custody.Wrapped, err error)

	ExportKey(generation uint32, to []byte) (wrapped, encrypted []byte, err error)
	Export(generation uint32, wrapped []byte, transferGeneration uint32, transfer []byte) ([]byte, error)
	IntakeKey(generation uint32, private, encrypted []byte) (wrapped []byte, err error)
	Intake(transferGeneration uint32, transfer, wrapped []byte, to uint32) (custody.Wrapped, error)

	Anchor() ([]byte, error)
	SetAnchor(record []byte) error
}

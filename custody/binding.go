package custody

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Purpose says what a sealing is for. It is part of every derivation, so that a blob of one kind
// never opens as another, even under the same key and context.
type Purpose string

// The purposes. Their values are part of the stored formats.
const (
	PurposeMasters      Purpose = "masters"       // the masters of a software module, under its passphrase or key file
	PurposeInstanceKey  Purpose = "instance-key"  // the key of an instance, under the seal master
	PurposeKeyVersion   Purpose = "key-version"   // the material of a root key, under the instance key
	PurposeDataKey      Purpose = "data-key"      // what a caller has wrapped, under a key version
	PurposeStandardKey  Purpose = "standard-key"  // the material of a standard key, under the instance key
	PurposeTransportKey Purpose = "transport-key" // the private half of a transport key, under the seal master or an instance key
	PurposeSecret       Purpose = "secret"        // a secret of the service itself, under the system instance's key
	PurposeBackup       Purpose = "backup"        // the key of a backup, under the system instance's key

	PurposeObjectKey    Purpose = "object-key"    // the data key of an object or upload, under its bucket key
	PurposeObjectRecord Purpose = "object-record" // what a bucket remembers of an object, under its bucket key
	PurposeCustomerKey  Purpose = "customer-key"  // the data key of an object, under a key that its caller brings (SSE-C)
)

// Origin says where key material comes from.
type Origin string

const (
	OriginGenerated Origin = "generated" // drawn inside the module
	OriginImported  Origin = "imported"  // brought by a caller
)

// Binding is everything that a stored key is bound to: it loads only where all of this is as it
// was when the key was made.
type Binding struct {
	Purpose    Purpose // PurposeInstanceKey, directly under Root, or PurposeKeyVersion
	Account    string
	Instance   string
	Key        string // an instance key needs none
	Version    string // ID of the key version; an instance key needs none
	Generation uint32 // of the module's masters, from Info
	Origin     Origin
	Size       int // of the key in bytes: 16, 24 or 32
}

// Context returns the encoding of the binding that a stored key is sealed with. The purpose is
// not in it, as a sealing binds that itself.
func (b Binding) Context() []byte {
	return Context(
		b.Account, b.Instance, b.Key, b.Version,
		strconv.FormatUint(uint64(b.Generation), 10),
		string(b.Origin),
		strconv.Itoa(b.Size),
	)
}

// Check returns an error that wraps ErrBinding unless the binding is complete and can be that of a
// key under parent. Whether a module holds the generation is for the module to say.
func (b Binding) Check(parent Handle) error {
	switch {
	case b.Purpose != PurposeInstanceKey && b.Purpose != PurposeKeyVersion:
		return fmt.Errorf("%w: purpose %q is not that of a stored key", ErrBinding, b.Purpose)
	case (b.Purpose == PurposeInstanceKey) != (parent == Root):
		return fmt.Errorf("%w: purpose %q does not fit the parent key", ErrBinding, b.Purpose)
	case b.Account == "" || b.Instance == "":
		return fmt.Errorf("%w: account or instance is empty", ErrBinding)
	case b.Purpose == PurposeKeyVersion && (b.Key == "" || b.Version == ""):
		return fmt.Errorf("%w: key or version is empty", ErrBinding)
	case b.Generation == 0:
		return fmt.Errorf("%w: no master generation", ErrBinding)
	case b.Origin != OriginGenerated && b.Origin != OriginImported:
		return fmt.Errorf("%w: origin %q", ErrBinding, b.Origin)
	case !validSize(b.Size):
		return fmt.Errorf("%w: key size of %d bytes, not 16, 24 or 32", ErrBinding, b.Size)
	}
	return nil
}

// Context encodes a list of fields so that no two lists have the same encoding: each field is
// preceded by its length in bytes, as 8 bytes, big-endian. No fields at all encode as nothing.
func Context(fields ...string) []byte {
	n := 0
	for _, f := range fields {
		n += 8 + len(f)
	}
	b := make([]byte, 0, n)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint64(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

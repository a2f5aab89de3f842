package audit

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Hash is a SHA-256 value: of a line and all before it, or of a checkpoint.
type Hash [sha256.Size]byte

// hashText is how hashes are written: 43 characters. Strict, so that a hash has one spelling.
var hashText = base64.RawURLEncoding.Strict()

// hashTextLen is the length of a hash in text.
const hashTextLen = 43

// String returns the hash in URL-safe base64 without padding, as it is written in the log.
func (h Hash) String() string { return hashText.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hashText.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hashTextLen {
		return fmt.Errorf("hash has %d characters, want %d", len(text), hashTextLen)
	}
	if _, err := hashText.Decode(h[:], text); err != nil {
		return fmt.Errorf("decoding hash: %w", err)
	}
	return nil
}

// Checkpoint is a signed statement that a server's chain had Hash after the line Sequence, so that
// nothing up to there can change unseen by whoever holds the checkpoint. Checkpoints of one server
// are themselves chained.
type Checkpoint struct {
	Server    string    `json:"server"`
	Epoch     uint64    `json:"epoch"`    // counts the starts of the server, from 1
	Sequence  uint64    `json:"sequence"` // of the newest line covered, from 1
	Hash      Hash      `json:"hash"`     // of that line
	Previous  Hash      `json:"previous"` // Digest of the checkpoint before this one; zero for the first
	Time      time.Time `json:"time"`     // UTC, in milliseconds
	KeyID     string    `json:"keyId"`
	Signature []byte    `json:"signature"` // ECDSA P-256 of Digest, ASN.1
}

// Digest returns what is signed: SHA-256 over every field but the signature.
func (c Checkpoint) Digest() Hash {
	b := []byte("strongroom/audit/checkpoint/1")
	b = appendField(b, c.Server)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = binary.BigEndian.AppendUint64(b, c.Sequence)
	b = append(b, c.Hash[:]...)
	b = append(b, c.Previous[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time.UnixMilli()))
	b = appendField(b, c.KeyID)
	return sha256.Sum256(b)
}

// appendField appends s behind its length, so that two fields cannot share bytes.
func appendField(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// Verify returns an error unless key signed the checkpoint.
func (c Checkpoint) Verify(key *ecdsa.PublicKey) error {
	digest := c.Digest()
	if !ecdsa.VerifyASN1(key, digest[:], c.Signature) {
		return fmt.Errorf("checkpoint at sequence %d is not signed by key %s", c.Sequence, c.KeyID)
	}
	return nil
}

func parseCheckpoint(body []byte) (Checkpoint, error) {
	var c Checkpoint
	if err := json.Unmarshal(body, &c); err != nil {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w", err)
	}
	return c, nil
}

// Signer signs checkpoints. It is called about once a second, by one goroutine at a time.
type Signer interface {
	// KeyID names the key, so that a verifier finds its public half.
	KeyID() string
	// Sign returns the ECDSA P-256 signature of a 32-byte digest, in ASN.1.
	Sign(ctx context.Context, digest []byte) ([]byte, error)
}

// Anchors keeps checkpoints outside the log's folder: in the database, or with a witness.
type Anchors interface {
	// SaveCheckpoint keeps a checkpoint durably. Saving one again changes nothing.
	SaveCheckpoint(ctx context.Context, c Checkpoint) error
	// LastCheckpoint returns the checkpoint with the highest sequence of a server, and false if
	// there is none. A failed read is an error, never an absence.
	LastCheckpoint(ctx context.Context, server string) (Checkpoint, bool, error)
	// Checkpoints returns those of a server with a sequence above after, by rising sequence. It may
	// leave out older ones.
	Checkpoints(ctx context.Context, server string, after uint64) ([]Checkpoint, error)
}

// NewSigner returns a Signer with its key in memory.
func NewSigner(keyID string, key *ecdsa.PrivateKey) Signer {
	return keySigner{id: keyID, key: key}
}

type keySigner struct {
	id  string
	key *ecdsa.PrivateKey
}

func (s keySigner) KeyID() string { return s.id }

func (s keySigner) Sign(_ context.Context, digest []byte) ([]byte, error) {
	if len(digest) != sha256.Size {
		return nil, errors.New("signing checkpoint: digest is not 32 bytes")
	}
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, digest)
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint: %w", err)
	}
	return sig, nil
}

package recovery

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"strongroom/custody"
)

// MaxShares is the most shares that one key can have.
const MaxShares = 255

// How shares fail to give a key.
var (
	ErrTooFew    = errors.New("too few recovery shares")
	ErrMixed     = errors.New("recovery shares of different sets")
	ErrDuplicate = errors.New("recovery share given twice")
	ErrWrong     = errors.New("recovery shares do not give the key of their set: one is forged")
)

const (
	scalarSize = 32
	setBytes   = 5 // 40 bits, 8 characters
	hkdfSalt   = "strongroom/recovery/1"
)

// Share is one part of a recovery key.
type Share struct {
	Set       string         // names the key: 8 characters, see [custody.Recovery]
	Index     int            // of the share, from 1 to Count
	Threshold int            // how many shares give the key
	Count     int            // how many were made
	Value     custody.Secret // 32 bytes; who has it wipes it
}

// Make draws a new recovery key and divides it into count shares, of which any threshold give it
// back. The caller wipes the key and the values of the shares.
func Make(threshold, count int) (custody.Recovery, []Share, error) {
	if threshold < 1 || threshold > count || count > MaxShares {
		return custody.Recovery{}, nil, fmt.Errorf("dividing a recovery key: %d of %d shares: want 1 to %d of up to %d", threshold, count, count, MaxShares)
	}
	secret := group.Ristretto255.RandomNonZeroScalar(rand.Reader)
	defer secret.SetUint64(0)
	r, err := derive(secret)
	if err != nil {
		return custody.Recovery{}, nil, fmt.Errorf("dividing a recovery key: %w", err)
	}
	shares := make([]Share, 0, count)
	for i, s := range secretsharing.New(rand.Reader, uint(threshold-1), secret).Share(uint(count)) {
		value, err := s.Value.MarshalBinary()
		if err != nil {
			return custody.Recovery{}, nil, fmt.Errorf("dividing a recovery key: %w", err)
		}
		s.Value.SetUint64(0)
		shares = append(shares, Share{Set: r.Set, Index: i + 1, Threshold: threshold, Count: count, Value: custody.NewSecret(value)})
	}
	return r, shares, nil
}

// Combine gives the recovery key back. More shares than are needed may be given; the first ones are
// used. The caller wipes the key, and the values of the shares.
func Combine(shares []Share) (custody.Recovery, error) {
	if err := fit(shares); err != nil {
		return custody.Recovery{}, err
	}
	threshold := shares[0].Threshold
	parts := make([]secretsharing.Share, 0, threshold)
	for _, s := range shares[:threshold] {
		value, err := s.scalar()
		if err != nil {
			return custody.Recovery{}, err
		}
		defer value.SetUint64(0)
		parts = append(parts, secretsharing.Share{ID: group.Ristretto255.NewScalar().SetUint64(uint64(s.Index)), Value: value})
	}
	secret, err := secretsharing.Recover(uint(threshold-1), parts)
	if err != nil {
		return custody.Recovery{}, fmt.Errorf("combining recovery shares: %w", err)
	}
	defer secret.SetUint64(0)
	r, err := derive(secret)
	if err != nil {
		return custody.Recovery{}, fmt.Errorf("combining recovery shares: %w", err)
	}
	if r.Set != shares[0].Set {
		r.Key.Wipe()
		return custody.Recovery{}, fmt.Errorf("%w (used: %v)", ErrWrong, indexes(shares[:threshold]))
	}
	return r, nil
}

// fit returns an error unless the shares are enough of one set.
func fit(shares []Share) error {
	if len(shares) == 0 {
		return ErrTooFew
	}
	first := shares[0]
	for i, s := range shares {
		switch {
		case s.Set != first.Set || s.Threshold != first.Threshold || s.Count != first.Count:
			return fmt.Errorf("%w: %s and %s", ErrMixed, first, s)
		case slices.ContainsFunc(shares[:i], func(o Share) bool { return o.Index == s.Index }):
			return fmt.Errorf("%w: %s", ErrDuplicate, s)
		}
		if err := s.check(); err != nil {
			return err
		}
	}
	if len(shares) < first.Threshold {
		return fmt.Errorf("%w: set %s needs %d, and got %d", ErrTooFew, first.Set, first.Threshold, len(shares))
	}
	return nil
}

func indexes(shares []Share) []int {
	list := make([]int, 0, len(shares))
	for _, s := range shares {
		list = append(list, s.Index)
	}
	return list
}

// derive returns the recovery key and its name.
func derive(secret group.Scalar) (custody.Recovery, error) {
	b, err := secret.MarshalBinary()
	if err != nil {
		return custody.Recovery{}, err
	}
	defer clear(b)
	prk, err := hkdf.Extract(sha256.New, b, []byte(hkdfSalt))
	if err != nil {
		return custody.Recovery{}, err
	}
	defer clear(prk)
	set, err := hkdf.Expand(sha256.New, prk, "set", setBytes)
	if err != nil {
		return custody.Recovery{}, err
	}
	name := encode(set)
	key, err := hkdf.Expand(sha256.New, prk, "key "+name, custody.RecoveryKeySize)
	return custody.Recovery{Set: name, Key: custody.NewSecret(key)}, err
}

// String names the share and tells nothing of its value.
func (s Share) String() string {
	return fmt.Sprintf("share %d of %d in set %s, of which %d are needed", s.Index, s.Count, s.Set, s.Threshold)
}

// check returns an error that wraps ErrShare unless the share can be one.
func (s Share) check() error {
	_, err := decode([]byte(s.Set))
	switch {
	case err != nil || len(s.Set) != setChars:
		return fmt.Errorf("%w: its set has no proper name", ErrShare)
	case s.Threshold < 1 || s.Threshold > s.Count || s.Count > MaxShares || s.Index < 1 || s.Index > s.Count:
		return fmt.Errorf("%w: number %d of %d, %d are needed", ErrShare, s.Index, s.Count, s.Threshold)
	}
	value, err := s.scalar()
	if err != nil {
		return err
	}
	value.SetUint64(0)
	return nil
}

// scalar returns the value as the number that it is. The caller overwrites it.
func (s Share) scalar() (group.Scalar, error) {
	value := group.Ristretto255.NewScalar()
	if s.Value.Len() != scalarSize {
		return nil, fmt.Errorf("%w: its value has %d bytes, not %d", ErrShare, s.Value.Len(), scalarSize)
	}
	if err := value.UnmarshalBinary(s.Value.Reveal()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	// What is not below the order of the group was reduced, and would be a second spelling.
	canonical, err := value.MarshalBinary()
	defer clear(canonical)
	if err != nil || !s.Value.Equal(custody.NewSecret(canonical)) {
		return nil, fmt.Errorf("%w: its value is no scalar", ErrShare)
	}
	return value, nil
}

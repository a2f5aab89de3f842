package server

import (
	"fmt"

	"strongroom/custody"
	"strongroom/custody/recovery"
	"strongroom/masters"
)

// Shares says into how many parts a new recovery key is divided, and how many of
// them open the keys. The zero value asks for no recovery key.
type Shares struct {
	Count, Threshold int
	// Show is given the shares as they are printed, before anything is sealed
	// under their key: who cannot show them makes no masters. It wipes none.
	Show func(set string, printed []custody.Secret) error
}

// Check refuses a division that cannot be.
func (s Shares) Check() error {
	if s.Count == 0 && s.Threshold == 0 {
		return nil
	}
	if s.Threshold < 1 || s.Threshold > s.Count || s.Count > recovery.MaxShares {
		return fmt.Errorf("%d of %d shares cannot open anything: the threshold is from 1 to the number of shares, of which there are at most %d",
			s.Threshold, s.Count, recovery.MaxShares)
	}
	return nil
}

// make draws a recovery key and shows its shares. The caller wipes the key.
func (s Shares) make() (custody.Secret, masters.RecoverySet, error) {
	if s.Count == 0 {
		return custody.Secret{}, masters.RecoverySet{}, nil
	}
	key, shares, err := recovery.Make(s.Threshold, s.Count)
	if err != nil {
		return custody.Secret{}, masters.RecoverySet{}, err
	}
	var printed []custody.Secret
	for _, share := range shares {
		printed = append(printed, share.Print())
		share.Value.Wipe()
	}
	err = s.Show(key.Set, printed)
	for _, p := range printed {
		p.Wipe()
	}
	if err != nil {
		key.Key.Wipe()
		return custody.Secret{}, masters.RecoverySet{}, fmt.Errorf("showing the recovery shares: %w", err)
	}
	return key.Key, masters.RecoverySet{Set: key.Set, Threshold: s.Threshold, Shares: s.Count}, nil
}

// combine gives back the recovery key of shares as they were printed. The caller
// wipes the key.
func combine(printed []custody.Secret) (custody.Recovery, error) {
	var shares []recovery.Share
	defer func() {
		for _, s := range shares {
			s.Value.Wipe()
		}
	}()
	for i, text := range printed {
		s, err := recovery.Parse(text)
		if err != nil {
			return custody.Recovery{}, fmt.Errorf("share %d of those given: %w", i+1, err)
		}
		shares = append(shares, s)
	}
	return recovery.Combine(shares)
}

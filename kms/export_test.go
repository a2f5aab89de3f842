package kms

import (
	"time"

	"strongroom/iam"
)

// ParseEnvelope parses the text of a wrapped data key and writes it again.
func ParseEnvelope(text string) (string, error) {
	e, err := parseEnvelope(text)
	if err != nil {
		return "", err
	}
	return e.String(), nil
}

// MaxNotedUses is how many uses of key versions are held between two flushes.
const MaxNotedUses = useShards * maxUses

// NoteUse notes that a version of no key was used to wrap.
func (s *Service) NoteUse(id VersionID, by iam.IdentityID, at time.Time) {
	s.uses.note(UseWrap, &Key{}, id, by, at)
}

// NotedUses returns how many uses are held.
func (s *Service) NotedUses() (n int) {
	for i := range s.uses.shards {
		n += len(s.uses.shards[i].last)
	}
	return n
}

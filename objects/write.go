package objects

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"strongroom/crn"
)

// maxRedirect is how long the target of a redirect may be, in bytes.
const maxRedirect = 2 << 10

// check checks what a request says of an object to be written to a bucket, beside its content and keys.
func (w *Write) check(b *Bucket, now time.Time) error {
	if err := checkKey(w.Key); err != nil {
		return err
	}
	size := 0
	for name, value := range w.Headers.Metadata {
		size += len(name) + len(value)
	}
	if size > MaxMetadata {
		return ErrMetadataSize
	}
	if err := checkTags(w.Tags); err != nil {
		return err
	}
	if err := checkRedirect(w.Redirect); err != nil {
		return err
	}
	if err := w.ACL.allowedBy(b.PublicAccess); err != nil {
		return err
	}
	if _, err := b.Lock.lockFor(w.Lock, now); err != nil {
		return err
	}
	_, err := b.Protection.retentionFor(w.Retention, now)
	return err
}

// checkKey checks the key of an object to be written.
func checkKey(key string) error {
	switch {
	case key == "":
		return ErrArgument.On("key", "it is empty")
	case len(key) > MaxKey:
		return ErrKeyLong
	case !utf8.ValidString(key):
		return ErrKeyBytes
	}
	return nil
}

func checkRedirect(to string) error {
	known := to == "" || strings.HasPrefix(to, "/") || strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://")
	if !known || len(to) > maxRedirect {
		return ErrArgument.On("x-amz-website-redirect-location", "neither a path nor an address of HTTP")
	}
	return nil
}

// sealer returns the key of the bucket of a visit by which what is written there is sealed, as the
// request says. It fails as the root key does while that may not be used.
func (s *Service) sealer(ctx context.Context, v *visit, e Encryption) (BucketKey, error) {
	if e.Customer != nil && e.Root != "" {
		return BucketKey{}, ErrRequest.On("", "a customer's key and a root key exclude each other")
	}
	if e.Customer != nil && e.Customer.Key.Len() != dataKeySize {
		return BucketKey{}, ErrArgument.On("customer key", "it has not 32 bytes")
	}
	if e.Root != "" {
		return s.keyUnder(ctx, v.who, v.bucket, e.Root)
	}
	k, err := s.openKey(ctx, v, v.bucket.Key)
	if err != nil {
		return BucketKey{}, err
	}
	defer k.done()
	if e.Customer != nil && k.Root != (crn.CRN{}) {
		return BucketKey{}, ErrCustomerRoot
	}
	return k.BucketKey, nil
}

package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"time"

	"strongroom/bench/load"
	"strongroom/custody"
)

const (
	segment    = 1 << 20 // of content that is sealed at once, in bytes (docs/formats.md, section Objects)
	keySize    = 32      // of a data key and of a bucket key, in bytes
	recordSize = 200     // of what is sealed of an object beside its content, about
	// sealingFor is how long sealing is measured: the clock of the system counts CPU time in steps of 10 ms.
	sealingFor = time.Second
)

// sealing returns the CPU time in which content is sealed or opened, with all else that is sealed of an
// object, and with nothing around it. The product cannot store without sealing, so what that would cost
// is what a request costs without this.
func sealing(method string, content []byte) (time.Duration, error) {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	bucket, err := custody.NewOpened(custody.NewSecret(secret))
	if err != nil {
		return 0, err
	}
	defer bucket.Wipe()
	o := sealedObject{bucket: bucket}
	if err := o.seal(content); err != nil {
		return 0, err
	}
	work := func() error { return o.seal(content) }
	if method == http.MethodGet {
		work = o.open
	}
	before, err := load.CPUTime(os.Getpid())
	if err != nil {
		return 0, err
	}
	times := 0
	for begin := time.Now(); time.Since(begin) < sealingFor; times++ {
		if err := work(); err != nil {
			return 0, fmt.Errorf("sealing %d bytes: %w", len(content), err)
		}
	}
	after, err := load.CPUTime(os.Getpid())
	return (after - before) / time.Duration(times), err
}

// sealedObject is all of an object that the server seals.
type sealedObject struct {
	bucket   *custody.Opened // key of its bucket
	dataKey  custody.Box
	record   custody.Box
	segments [][]byte
	plain    []byte // room for a segment that is opened
}

// seal draws a data key and seals content as a PUT does.
func (o *sealedObject) seal(content []byte) (err error) {
	key, record := make([]byte, keySize), make([]byte, recordSize)
	_, _ = rand.Read(key) // never fails
	gcm, err := newGCM(key)
	if err != nil {
		return err
	}
	for i, rest := 0, content; len(rest) > 0; i++ {
		n := min(segment, len(rest))
		if i == len(o.segments) {
			o.segments = append(o.segments, nil)
		}
		o.segments[i] = gcm.Seal(o.segments[i][:0], nil, rest[:n], nil)
		rest = rest[n:]
	}
	if o.dataKey, err = o.bucket.Seal(custody.PurposeObjectKey, nil, key); err != nil {
		return err
	}
	o.record, err = o.bucket.Seal(custody.PurposeObjectRecord, nil, record)
	return err
}

// open opens what was sealed last, as a GET does.
func (o *sealedObject) open() error {
	record, err := o.bucket.Open(custody.PurposeObjectRecord, nil, o.record)
	if err != nil {
		return err
	}
	record.Wipe()
	key, err := o.bucket.Open(custody.PurposeObjectKey, nil, o.dataKey)
	if err != nil {
		return err
	}
	defer key.Wipe()
	gcm, err := newGCM(key.Reveal())
	if err != nil {
		return err
	}
	for _, sealed := range o.segments {
		if o.plain, err = gcm.Open(o.plain[:0], nil, sealed, nil); err != nil {
			return err
		}
	}
	return nil
}

// newGCM is the AES-256-GCM that content is sealed with.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

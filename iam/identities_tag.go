package iam

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// EntityTag names one revision of a record, for If-Match: "3-" and 32
// hexadecimal digits. It is no secret and proves nothing.
func EntityTag(id string, revision int64) string {
	n := strconv.FormatInt(revision, 10)
	sum := sha256.Sum256([]byte(id + " " + n))
	return n + "-" + hex.EncodeToString(sum[:16])
}

// checkTag compares what a caller sent as If-Match; "*" stands for any revision.
func checkTag(match, id string, revision int64) error {
	switch {
	case match == "":
		return ErrIdentityInvalid.On("If-Match", "is missing; send the entity tag or *")
	case match != "*" && match != EntityTag(id, revision):
		return ErrIdentityTag
	}
	return nil
}

package s3

import (
	"encoding/base64"
	"hash"
	"net/http"
	"strings"

	"strongroom/objects"
)

const (
	headerChecksum = "X-Amz-Checksum-" // and the algorithm
	md5Size        = 16
)

// algorithms are the checksums that S3 knows.
var algorithms = [...]objects.Algorithm{objects.CRC32, objects.CRC32C, objects.CRC64NVME, objects.SHA1, objects.SHA256}

// parseAlgorithm reads the name of a checksum, in any case; "" is none.
func parseAlgorithm(name, from string) (objects.Algorithm, error) {
	if name == "" {
		return "", nil
	}
	for _, a := range algorithms {
		if strings.EqualFold(string(a), name) {
			return a, nil
		}
	}
	return "", errContradiction.On(from, "it is no checksum that is known")
}

// expect reads what a request says of the content of its body.
func (q *request) expect() (objects.Expect, error) {
	e := objects.Expect{Size: q.length}
	if e.Size < 0 {
		return e, errLength.On("", "Content-Length")
	}
	var err error
	if e.MD5, err = contentMD5(q.R.Header); err != nil {
		return e, err
	}
	if e.Want, e.Value, err = headerSum(q.R.Header); err != nil {
		return e, err
	}
	if q.trailer != nil {
		if err := q.trailer.expect(&e); err != nil {
			return e, err
		}
	}
	if e.Want != "" {
		return e, nil
	}
	// A hint only: what the client computes by itself, if it sends it.
	e.Want, err = parseAlgorithm(q.header("X-Amz-Sdk-Checksum-Algorithm"), "x-amz-sdk-checksum-algorithm")
	return e, err
}

// contentMD5 reads Content-MD5, or returns nil.
func contentMD5(h http.Header) ([]byte, error) {
	v, given := h["Content-Md5"]
	if !given {
		return nil, nil
	}
	sum, err := base64.StdEncoding.DecodeString(strings.Join(v, ","))
	if err != nil || len(sum) != md5Size {
		return nil, errDigestForm.On("", "Content-MD5")
	}
	return sum, nil
}

// headerSum reads the checksum in the headers; at most one may be there.
func headerSum(h http.Header) (found objects.Algorithm, value string, err error) {
	for _, a := range algorithms {
		v, given := h[http.CanonicalHeaderKey(headerChecksum+string(a))]
		if !given {
			continue
		}
		if found != "" || len(v) != 1 {
			return "", "", errContradiction.On("x-amz-checksum", "there is more than one")
		}
		if err := checkSum(a, v[0]); err != nil {
			return "", "", err
		}
		found, value = a, v[0]
	}
	return found, value, nil
}

// checkSum checks the form of a checksum.
func checkSum(a objects.Algorithm, value string) error {
	if sum, err := base64.StdEncoding.DecodeString(value); err != nil || len(sum) != a.Size() {
		return errContradiction.On("x-amz-checksum-"+strings.ToLower(string(a)), "it is not a checksum in base64")
	}
	return nil
}

// expect adds what the trailer announces. What it says is known when the body has ended.
func (t *trailer) expect(e *objects.Expect) error {
	for _, name := range t.names {
		sum, ok := strings.CutPrefix(name, strings.ToLower(headerChecksum))
		if !ok {
			continue
		}
		a, err := parseAlgorithm(sum, "x-amz-trailer")
		if err != nil {
			return err
		}
		if e.Want != "" {
			return errContradiction.On("x-amz-trailer", "there is more than one checksum")
		}
		e.Want, e.Trailer = a, func() (string, error) { return t.value(a, name) }
	}
	return nil
}

// value returns a checksum of the trailer, after the end of the body.
func (t *trailer) value(a objects.Algorithm, name string) (string, error) {
	if !t.ended {
		return "", objects.ErrIncomplete
	}
	v := t.values[name]
	return v, checkSum(a, v)
}

// needDigest refuses a request that brings no digest of its body, as some operations demand.
func (q *request) needDigest() error {
	e, err := q.expect()
	if err == nil && e.MD5 == nil && e.Value == "" && e.Trailer == nil {
		return errNoDigest
	}
	return err
}

// checkDigests verifies a body that was read in full against the digests of the request.
func (q *request) checkDigests(body []byte) error {
	e, err := q.expect()
	if err != nil {
		return err
	}
	if e.MD5 != nil && string(sumOf(objects.NewMD5(), body)) != string(e.MD5) {
		return objects.ErrDigest.On("", "Content-MD5")
	}
	if e.Trailer != nil {
		if e.Value, err = e.Trailer(); err != nil {
			return err
		}
	}
	if e.Value != "" && base64.StdEncoding.EncodeToString(sumOf(e.Want.New(), body)) != e.Value {
		return objects.ErrDigest.On("", "x-amz-checksum-"+strings.ToLower(string(e.Want)))
	}
	return nil
}

func sumOf(h hash.Hash, body []byte) []byte {
	h.Write(body)
	return h.Sum(nil)
}

// setChecksums shows the checksum of an object or part.
func setChecksums(h http.Header, c objects.Checksums) {
	if c.Algorithm == "" {
		return
	}
	h.Set(headerChecksum+string(c.Algorithm), c.Value)
	h.Set("X-Amz-Checksum-Type", checksumType(c))
}

// parseChecksumType reads x-amz-checksum-type, in any case: a form of checksumType, or "" for none.
func parseChecksumType(h http.Header) (string, error) {
	switch kind := strings.ToUpper(h.Get("X-Amz-Checksum-Type")); kind {
	case "", "COMPOSITE", "FULL_OBJECT":
		return kind, nil
	}
	return "", errHeader.On("x-amz-checksum-type", "it is neither FULL_OBJECT nor COMPOSITE")
}

// checksumType says what a checksum was computed over.
func checksumType(c objects.Checksums) string {
	if c.Composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// checksumElements are the elements of a checksum in documents.
type checksumElements struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
}

// of returns the place of an algorithm.
func (e *checksumElements) of(a objects.Algorithm) *string {
	switch a {
	case objects.CRC32:
		return &e.ChecksumCRC32
	case objects.CRC32C:
		return &e.ChecksumCRC32C
	case objects.CRC64NVME:
		return &e.ChecksumCRC64NVME
	case objects.SHA1:
		return &e.ChecksumSHA1
	case objects.SHA256:
		return &e.ChecksumSHA256
	}
	return new(string)
}

func elementsOf(c objects.Checksums) (e checksumElements) {
	*e.of(c.Algorithm) = c.Value
	return e
}

// given returns the one checksum that a document holds.
func (e *checksumElements) given() (c objects.Checksums, err error) {
	for _, a := range algorithms {
		v := *e.of(a)
		if v == "" {
			continue
		}
		if c.Algorithm != "" {
			return c, errContradiction.On("Checksum"+string(a), "there is more than one checksum")
		}
		c.Algorithm, c.Value = a, v
	}
	return c, nil
}

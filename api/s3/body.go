package s3

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Forms of a body that is sent in chunks (cos-api.md, section 3.3).
const (
	streamSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// openBody makes the body of a request the one that verifies itself. Nothing is read yet, so that a
// client that waits for leave to send goes on waiting. sg is nil without a signature.
func (q *request) openBody(sg *signer) error {
	hash := q.contentHash()
	switch hash {
	case streamSigned, streamSignedTrailer:
		if sg == nil {
			return errContradiction.On("x-amz-content-sha256", "signed chunks need a signed request")
		}
		return q.openChunks(sg, hash == streamSignedTrailer)
	case streamUnsignedTrailer:
		return q.openChunks(nil, true)
	}
	if strings.HasPrefix(hash, "STREAMING-") {
		return errNotOffered.On("x-amz-content-sha256", "this form of body")
	}
	if q.header("X-Amz-Trailer") != "" {
		return errContradiction.On("x-amz-trailer", "the form of the body has no trailer")
	}
	q.length = q.R.ContentLength
	q.body = &plainBody{from: q.R.Body}
	if hash == "" || hash == unsignedPayload {
		return nil
	}
	sum, err := hex.DecodeString(hash)
	if err != nil || len(sum) != sha256.Size {
		return errHeader.On("x-amz-content-sha256", "it is neither a SHA-256 nor the name of a form of body")
	}
	q.body = &hashedBody{from: q.body, sum: sha256.New(), want: sum}
	return nil
}

// openChunks opens a body in chunks, signed unless sg is nil.
func (q *request) openChunks(sg *signer, trailed bool) error {
	length, err := parseLength(q.header("X-Amz-Decoded-Content-Length"))
	if err != nil {
		return err
	}
	q.length = length
	if trailed {
		if q.trailer, err = announced(q.R.Header.Values("X-Amz-Trailer")); err != nil {
			return err
		}
	}
	q.body = newChunks(q.R.Body, length, sg, q.trailer)
	return nil
}

// parseLength reads a number of bytes that has to be there.
func parseLength(v string) (int64, error) {
	if v == "" {
		return 0, errLength.On("", "x-amz-decoded-content-length")
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, errHeader.On("x-amz-decoded-content-length", "it is not a number of bytes")
	}
	return n, nil
}

// plainBody is a body as it is sent. What the network breaks off is an incomplete body.
type plainBody struct{ from io.Reader }

// Read implements io.Reader.
func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	return n, brokenOff(err)
}

// brokenOff names the failure of reading from a client. Only the end of the body is no failure.
func brokenOff(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return errors.Join(objects.ErrIncomplete, err)
}

// hashedBody is a body with a SHA-256 that was signed or sent along: its end is an error if it has
// another.
type hashedBody struct {
	from io.Reader
	sum  hash.Hash
	want []byte
}

// Read implements io.Reader.
func (b *hashedBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && subtle.ConstantTimeCompare(b.sum.Sum(nil), b.want) != 1 {
		return n, errContentHash
	}
	return n, err
}

// readPlain reads a whole body of at most limit bytes as it was sent.
func readPlain(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, errHeader.On("x-amz-content-sha256", "it is needed for a body of this size")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, brokenOff(err)
	}
	if int64(len(body)) > limit {
		return nil, httpface.ErrTooLarge
	}
	return body, nil
}

// held is a body that was read already.
type held struct{ *bytes.Reader }

func newHeld(r *bytes.Reader) held { return held{r} }

// Close implements io.Closer.
func (held) Close() error { return nil }

package s3

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"strongroom/objects"
)

const (
	// maxChunkLine bounds the line before a chunk: a length of 16 digits and a signature need 97 bytes.
	maxChunkLine = 512
	// maxTrailerLine and maxTrailers bound what follows the chunks.
	maxTrailerLine = 2048
	maxTrailers    = 8
)

// trailer is what a request announces to send after its body, and has sent when its body has ended.
type trailer struct {
	names  []string // in lower case
	values map[string]string
	ended  bool // the body was read to its end, and all of it was verified
}

// announced reads x-amz-trailer.
func announced(headers []string) (*trailer, error) {
	t := &trailer{values: map[string]string{}}
	for _, v := range headers {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "" {
				continue
			}
			if slices.Contains(t.names, name) || len(t.names) == maxTrailers {
				return nil, errHeader.On("x-amz-trailer", "it has a name twice, or too many")
			}
			t.names = append(t.names, name)
		}
	}
	return t, nil
}

// chunks is a body in the form aws-chunked. It gives the data of the chunks while they come, and ends
// with io.EOF only when all lengths, signatures and trailers were right; so what was read before
// must not be used before the end.
type chunks struct {
	from *bufio.Reader
	// rest is how many bytes of data are still to come, by the length that was announced; left how many
	// of them belong to the chunk under way.
	rest, left int64
	within     bool // a chunk is under way
	signer     *signer
	given      string // signature of the chunk under way
	sum        hash.Hash
	trailer    *trailer // nil if none may come
	err        error    // that every further Read returns
}

func newChunks(from io.Reader, length int64, sg *signer, t *trailer) *chunks {
	c := &chunks{from: bufio.NewReaderSize(from, 64<<10), rest: length, signer: sg, trailer: t}
	if sg != nil {
		c.sum = sha256.New()
	}
	return c
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	if len(p) == 0 || c.err != nil {
		return 0, c.err
	}
	if !c.within {
		if c.err = c.begin(); c.err != nil {
			return 0, c.err
		}
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	if c.signer != nil {
		c.sum.Write(p[:n])
	}
	c.left -= int64(n)
	c.rest -= int64(n)
	switch {
	case c.left == 0:
		c.err = c.end()
	case err != nil:
		c.err = short(err)
	}
	return n, c.err
}

// begin reads the line before a chunk. After the last one it reads what follows, and returns io.EOF.
func (c *chunks) begin() error {
	text, err := c.line(maxChunkLine)
	if err != nil {
		return err
	}
	text, ok := strings.CutSuffix(text, "\r")
	if !ok {
		return errChunk.On("", "a line does not end with CR and LF")
	}
	size, err := c.parseHead(text)
	if err != nil {
		return err
	}
	if size > c.rest {
		return errChunk.On("", "there is more data than was announced")
	}
	if size > 0 {
		c.left, c.within = size, true
		return nil
	}
	if c.rest > 0 {
		return errChunk.On("", "there is less data than was announced")
	}
	if c.signer != nil && !c.signer.chunk(c.given, c.sum.Sum(nil)) {
		return errSignature.On("", "of the last chunk")
	}
	if err := c.readTrailer(); err != nil {
		return err
	}
	if c.trailer != nil {
		c.trailer.ended = true
	}
	return io.EOF
}

// parseHead reads "<length>" or "<length>;chunk-signature=<signature>".
func (c *chunks) parseHead(line string) (int64, error) {
	digits, extension, extended := strings.Cut(line, ";")
	if c.signer != nil {
		given, ok := strings.CutPrefix(extension, "chunk-signature=")
		if !ok {
			return 0, errChunk.On("", "a chunk has no signature")
		}
		c.given = given
	} else if extended {
		return 0, errChunk.On("", "a chunk has an extension that is not known")
	}
	if digits == "" || len(digits) > 16 || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return 0, errChunk.On("", "the length of a chunk is not a hexadecimal number")
	}
	size, err := strconv.ParseInt(digits, 16, 64)
	if err != nil {
		return 0, errChunk.On("", "a chunk is too long")
	}
	return size, nil
}

// end verifies a chunk whose data was read.
func (c *chunks) end() error {
	c.within = false
	if c.signer != nil {
		if !c.signer.chunk(c.given, c.sum.Sum(nil)) {
			return errSignature.On("", "of a chunk")
		}
		c.sum.Reset()
	}
	var line [2]byte
	if _, err := io.ReadFull(c.from, line[:]); err != nil {
		return short(err)
	}
	if line != [2]byte{'\r', '\n'} {
		return errChunk.On("", "a chunk is longer than its length")
	}
	return nil
}

// line reads a line of at most limit bytes, without the LF that ends it.
func (c *chunks) line(limit int) (string, error) {
	b, err := c.from.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(b) > limit:
		return "", errChunk.On("", "a line is too long")
	case err != nil:
		return "", short(err)
	}
	return string(b[:len(b)-1]), nil
}

// readTrailer reads what follows the last chunk, to the end of the body. Some clients leave out the
// last empty line; one ends a line of the trailer with LF alone, and puts an empty line before its signature.
func (c *chunks) readTrailer() error {
	lines := sha256.New()
	signed, ended := "", false
	for {
		_, err := c.from.Peek(1)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return short(err)
		}
		text, err := c.line(maxTrailerLine)
		if err != nil {
			return err
		}
		text = strings.TrimSuffix(text, "\r")
		name, value, isField := strings.Cut(text, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case text == "":
			ended = ended || c.signer == nil || c.trailer == nil || signed != ""
		case ended, signed != "", !isField, c.trailer == nil:
			return errChunk.On("", "there is more after the last chunk than was announced")
		case c.signer != nil && name == "x-amz-trailer-signature":
			signed = value
		default:
			if err := c.trailer.add(name, value); err != nil {
				return err
			}
			lines.Write([]byte(name + ":" + value + "\n"))
		}
	}
	if c.trailer == nil {
		return nil
	}
	if c.signer != nil && !c.signer.trailer(signed, lines.Sum(nil)) {
		return errSignature.On("", "of the trailer")
	}
	return c.trailer.complete()
}

// add takes a line of the trailer, which must have been announced.
func (t *trailer) add(name, value string) error {
	if _, twice := t.values[name]; twice || !slices.Contains(t.names, name) {
		return errChunk.On(http.CanonicalHeaderKey("x-amz-trailer"), "the trailer has a name twice, or one that was not announced")
	}
	t.values[name] = value
	return nil
}

// complete says whether all that was announced has come.
func (t *trailer) complete() error {
	if len(t.values) != len(t.names) {
		return errChunk.On("x-amz-trailer", "the trailer does not have what was announced")
	}
	return nil
}

// short names an end in the middle of something.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return objects.ErrIncomplete
	}
	return brokenOff(err)
}

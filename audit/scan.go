package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// readBuffer holds a line of any length, and more.
const readBuffer = 2 * maxLine

// scanner reads the lines of a segment forward.
type scanner struct {
	r      *bufio.Reader
	offset int64 // of the line after the present one

	text  []byte // the present line with its end, valid until the next scan
	start int64  // offset of text
	line  line   // the present line, if ok
	ok    bool   // whether text is a line of a log
	err   error  // failure to read
}

func newScanner(r io.ReaderAt, offset, size int64) *scanner {
	section := io.NewSectionReader(r, offset, size-offset)
	return &scanner{r: bufio.NewReaderSize(section, readBuffer), offset: offset}
}

// scan goes to the next line and reports whether there is one. What is left at the end without a
// line feed counts as a line that is not ok.
func (s *scanner) scan() bool {
	s.start, s.line, s.ok = s.offset, line{}, false
	text, err := s.r.ReadSlice('\n')
	s.offset += int64(len(text))
	s.text = text
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return s.skip()
	case err != nil && !errors.Is(err, io.EOF):
		s.err = fmt.Errorf("reading audit segment: %w", err)
		return false
	case len(text) == 0:
		return false
	}
	s.line, err = parseLine(text)
	s.ok = err == nil
	return true
}

// skip passes over the rest of a line that is longer than any the log writes.
func (s *scanner) skip() bool {
	s.text = nil
	for {
		text, err := s.r.ReadSlice('\n')
		s.offset += int64(len(text))
		if err == nil || errors.Is(err, io.EOF) {
			return true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			s.err = fmt.Errorf("reading audit segment: %w", err)
			return false
		}
	}
}

// backward reads the lines of a segment from its end, or from the end of any line, to its beginning.
type backward struct {
	r     io.ReaderAt
	buf   []byte // holds what is read and not yet returned
	start int64  // offset of buf
	err   error
}

func newBackward(r io.ReaderAt, end int64) *backward { return &backward{r: r, start: end} }

// prev returns the text of the line before, with its end, and its offset; false at the beginning.
// The text is valid until the next call.
func (b *backward) prev() (text []byte, offset int64, ok bool) {
	for {
		if n := len(b.buf); n > 0 {
			if i := bytes.LastIndexByte(b.buf[:n-1], '\n'); i >= 0 {
				text = b.buf[i+1:]
				b.buf = b.buf[:i+1]
				return text, b.start + int64(i) + 1, true
			}
			if b.start == 0 {
				text, b.buf = b.buf, nil
				return text, 0, true
			}
		}
		if b.start == 0 {
			return nil, 0, false
		}
		if !b.fill() {
			return nil, 0, false
		}
	}
}

// fill reads one buffer's worth in front of what is left.
func (b *backward) fill() bool {
	n := min(int64(readBuffer), b.start)
	fresh := make([]byte, n, n+int64(len(b.buf)))
	if _, err := b.r.ReadAt(fresh, b.start-n); err != nil && !errors.Is(err, io.EOF) {
		b.err = fmt.Errorf("reading audit segment: %w", err)
		return false
	}
	b.buf = append(fresh, b.buf...)
	b.start -= n
	return true
}

package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"strongroom/internal/httpface"
)

const (
	typeXML        = "application/xml"
	xmlDeclaration = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

	// maxXML is how long an XML body may be, in bytes, unless its operation says otherwise.
	maxXML = 1 << 20
	// maxDepth is how deep its elements may be nested. No document of S3 has more than six levels.
	maxDepth = 16
	// maxElements bounds what a short body can make of memory: 10,000 parts have 40,000.
	maxElements = 200_000
)

// readXML reads the body of a request, of at most limit bytes, into v, and verifies the digests that
// came with it. Elements may be in any namespace and order.
func (q *request) readXML(v any, limit int64) error {
	body, err := q.readBody(limit)
	if err != nil {
		return err
	}
	if err := q.checkDigests(body); err != nil {
		return err
	}
	return parseXML(body, v)
}

// readDigestedXML is readXML for operations that demand a digest of the body.
func (q *request) readDigestedXML(v any) error {
	if err := q.needDigest(); err != nil {
		return err
	}
	return q.readXML(v, maxXML)
}

// readBody reads the whole body, which may have at most limit bytes, so that its signatures are
// verified.
func (q *request) readBody(limit int64) ([]byte, error) {
	if q.length > limit {
		return nil, httpface.ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(q.body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, httpface.ErrTooLarge
	}
	return body, nil
}

// parseXML decodes one document, refusing what no client of S3 sends: declarations of types,
// processing instructions, entities of its own, deep nesting, and more than one root.
func parseXML(body []byte, v any) error {
	if len(body) == 0 {
		return errEmptyBody
	}
	if err := checkXML(body); err != nil {
		return err
	}
	if err := xml.Unmarshal(body, v); err != nil {
		return errXML.On("", describeXML(err))
	}
	return nil
}

func checkXML(body []byte) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	depth, elements, roots := 0, 0, 0
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errXML.On("", describeXML(err))
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			elements++
			if depth > maxDepth || elements > maxElements || roots > 1 {
				return errXML.On("", "it has more elements than is possible")
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errXML.On("", "it declares a type")
		case xml.ProcInst:
			if t.Target != "xml" {
				return errXML.On("", "it has a processing instruction")
			}
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 && !bytes.Equal(t, []byte("\ufeff")) {
				return errXML.On("", "there is text outside the document")
			}
		}
	}
	if roots != 1 {
		return errXML.On("", "there is no element")
	}
	return nil
}

// describeXML says where a text is wrong, and nothing of what stands there: names and values may be
// secrets, or long.
func describeXML(err error) string {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d", syntax.Line)
	}
	return "an element is missing, or has a value of the wrong kind"
}

// renderXML encodes a document.
func renderXML(v any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(xmlDeclaration)
	if err := xml.NewEncoder(&b).Encode(v); err != nil {
		return nil, fmt.Errorf("encoding %T: %w", v, err)
	}
	return b.Bytes(), nil
}

// writeXML answers with a document, and with headers, which may be nil.
func writeXML(v any, header http.Header) (httpface.Answer, error) {
	body, err := renderXML(v)
	return httpface.Answer{Type: typeXML, Bytes: body, Header: header}, err
}

// text is character data that may hold what XML 1.0 cannot carry: such characters are written as
// references, which lenient parsers read, and bytes that are no UTF-8 as U+FFFD.
type text string

// MarshalXML implements xml.Marshaler.
func (t text) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(struct {
		Inner string `xml:",innerxml"`
	}{escape(string(t))}, start)
}

// escape writes text as the content of an element.
func escape(s string) string {
	plain := func(c byte) bool { return 0x20 <= c && c < 0x7F && c != '&' && c != '<' && c != '>' }
	begin := 0
	for begin < len(s) && plain(s[begin]) {
		begin++
	}
	if begin == len(s) {
		return s // as almost every name is
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			b.WriteRune(utf8.RuneError)
		case r < 0x20, r == 0x7F, r == 0xFFFE, r == 0xFFFF:
			fmt.Fprintf(&b, "&#x%X;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// instantLayout is how XML documents show a time: UTC, with milliseconds.
const instantLayout = "2006-01-02T15:04:05.000Z"

// instant is a time as XML documents show it.
type instant time.Time

// MarshalText implements encoding.TextMarshaler.
func (t instant) MarshalText() ([]byte, error) {
	return []byte(time.Time(t).UTC().Format(instantLayout)), nil
}

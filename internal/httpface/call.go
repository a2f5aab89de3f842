package httpface

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"strongroom/audit"
)

// Call is one request on its way through a face.
type Call struct {
	R      *http.Request
	Trail  *audit.Trail
	Action string // of the route; empty when none matched
	Route  string // its path with {names}; empty when none matched
	Found  any    // what Find has learned, for the face that has one

	w       http.ResponseWriter
	names   []string
	params  []string
	maxBody int64
}

// Path returns the decoded value of a path parameter, or "".
func (c *Call) Path(name string) string {
	for i, n := range c.names {
		if n == name {
			return c.params[i]
		}
	}
	return ""
}

// Query returns the first value of a query parameter, and whether it was given.
func (c *Call) Query(name string) (string, bool) {
	v, ok := c.R.URL.Query()[name]
	if !ok || len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// Bearer returns the token of the Authorization header, whose scheme is
// compared without regard to case (RFC 9110, section 11.1).
func (c *Call) Bearer() (token string, ok bool) {
	scheme, token, ok := strings.Cut(c.R.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.TrimSpace(token)
	return token, token != ""
}

// Header sets a header of the answer.
func (c *Call) Header(name, value string) { c.w.Header().Set(name, value) }

// Body reads the whole body, inflated if it was sent with gzip, and refuses
// what is longer than the route allows before holding more than that.
func (c *Call) Body() ([]byte, error) {
	if c.R.Body == nil {
		return nil, nil
	}
	if c.R.ContentLength > c.maxBody {
		return nil, ErrTooLarge
	}
	var from io.Reader = http.MaxBytesReader(c.w, c.R.Body, c.maxBody)
	if strings.EqualFold(c.R.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, ErrBody.On("", "it is not the gzip that its Content-Encoding announces")
		}
		defer z.Close()
		from = io.LimitReader(z, c.maxBody+1)
	}
	body, err := io.ReadAll(from)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), err == nil && int64(len(body)) > c.maxBody:
		return nil, ErrTooLarge
	case err != nil:
		return nil, ErrBody.On("", "it ended early or is damaged")
	}
	return body, nil
}

// Fields says what to do with members of a JSON object that nobody asked for.
type Fields bool

const (
	KnownFields Fields = true  // refuse others
	AnyFields   Fields = false // ignore others, as most of IBM's services do
)

// JSON decodes the body into v. Member names are matched without regard to
// case. An empty body and the literal null leave v as it is. What comes back as
// an error is safe to show: it names members and positions, never values.
func (c *Call) JSON(v any, fields Fields) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	return Decode(body, v, fields)
}

// Decode is JSON for bytes that were already read.
func Decode(body []byte, v any, fields Fields) error {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || bytes.Equal(body, []byte("null")) {
		return nil
	}
	if !isUnicode(body) {
		return ErrBody.On("", "json: a text is not Unicode")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if fields == KnownFields {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return ErrBody.On("", describe(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrBody.On("", "there is more after the end of the JSON value")
	}
	return nil
}

// describe says what is wrong with a JSON text. Messages of the decoder that
// quote the text are replaced, as it may hold key material.
func describe(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind):
		return "json: cannot use " + kind.Value + " for field \"" + kind.Field + "\""
	case errors.As(err, &syntax):
		return "json: syntax error"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "json: the text ends too early"
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return clip(err.Error(), 200)
	default:
		return "json: a value has the wrong form"
	}
}

// Answer is what a handler wants to be sent. Of Body, Bytes, Stream and Content
// at most one is set.
type Answer struct {
	Status int // zero means that of the route
	Type   string
	Header http.Header
	Body   any                     // encoded as JSON
	Bytes  []byte                  // sent as they are
	Stream func(w io.Writer) error // sent piece by piece, after the request was recorded
	// Content is sent to its end after the request was recorded, and closed
	// whatever happens. Header says how long it is.
	Content io.ReadCloser
}

// close gives up what the answer holds.
func (a Answer) close() {
	if a.Content != nil {
		_ = a.Content.Close() // it was only read
	}
}

func (a Answer) status() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// write sends the answer. JSON is encoded in full before the first byte leaves.
// An answer that is guarded is neither kept by caches nor of a guessed type.
func (a Answer) write(c *Call, guarded bool) error {
	defer a.close()
	h := c.w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	body := a.Bytes
	if a.Body != nil {
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		if err := e.Encode(a.Body); err != nil {
			http.Error(c.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return err
		}
		body = buf.Bytes()
		if a.Type == "" {
			a.Type = "application/json"
		}
	}
	if a.Type != "" {
		h.Set("Content-Type", a.Type)
	}
	if guarded {
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
	}
	if len(body) > 0 && c.R.Method != http.MethodHead {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(a.status())
	switch {
	case a.Stream != nil:
		return a.Stream(c.w)
	case a.Content != nil:
		_, err := io.Copy(c.w, a.Content)
		return err
	}
	if len(body) == 0 || c.R.Method == http.MethodHead {
		return nil
	}
	_, err := c.w.Write(body)
	return err
}

package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"strongroom/objects"
)

const (
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// TestPublishedChunks: the examples of AWS's documentation of uploads in chunks, without and with a
// trailer.
func TestPublishedChunks(t *testing.T) {
	const scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
	chunk := func(content, signature string) string {
		return strconv.FormatInt(int64(len(content)), 16) + ";chunk-signature=" + signature + "\r\n" + content + "\r\n"
	}
	content := strings.Repeat("a", 66560)
	plain := chunk(content[:65536], "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") +
		chunk(content[65536:], "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497") +
		chunk("", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9")
	trailed := chunk(content[:65536], "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2") +
		chunk(content[65536:], "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7") +
		strings.TrimSuffix(chunk("", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"), "\r\n") +
		"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
	ask := func(t *testing.T, h *house, trailer bool, body string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(http.MethodPut, "/examplebucket/chunkObject.txt", strings.NewReader(body))
		r.Host = "s3.amazonaws.com"
		r.Header.Set("Content-Encoding", "aws-chunked")
		r.Header.Set("X-Amz-Date", "20130524T000000Z")
		r.Header.Set("X-Amz-Decoded-Content-Length", "66560")
		r.Header.Set("X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
		r.Header.Set("X-Amz-Content-Sha256", signedChunks)
		auth := scope + "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class" +
			",Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
		r.ContentLength = 66824
		if trailer {
			r.Header.Set("X-Amz-Content-Sha256", signedTrailer)
			r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
			auth = scope + "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer" +
				",Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
		}
		r.Header.Set("Authorization", auth)
		return h.ask(r)
	}
	for _, trailer := range []bool{false, true} {
		body := plain
		if trailer {
			body = trailed
		}
		h := newHouse(t)
		w := ask(t, h, trailer, body)
		if got, _ := h.shelf.has("examplebucket", "chunkObject.txt"); w.Code != 200 || got != content {
			t.Errorf("trailer %v: %d %s, %d bytes are kept", trailer, w.Code, w.Body, len(got))
		}
		write, _ := h.shelf.asked().(objects.Write)
		if write.Headers.ContentEncoding != "" {
			t.Errorf("aws-chunked is kept as the coding of the object: %q", write.Headers.ContentEncoding)
		}
		// The signature of what came before is part of each: nothing may be changed anywhere.
		for i := 0; i < len(body); i += 1 + len(body)/97 {
			changed := body[:i] + string(body[i]^1) + body[i+1:]
			h := newHouse(t)
			w := ask(t, h, trailer, changed)
			if _, kept := h.shelf.has("examplebucket", "chunkObject.txt"); w.Code/100 != 4 || kept {
				t.Errorf("trailer %v: with byte %d changed (%q): %d", trailer, i, body[max(0, i-10):min(i+10, len(body))], w.Code)
			}
		}
	}
}

// chunked signs a body in chunks and gives back the pieces, for tests to put together otherwise.
func chunked(r *http.Request, s signing, form string, contents []string, trailer string) (pieces []string) {
	total := 0
	for _, c := range contents {
		total += len(c)
	}
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(total))
	r.Header.Set("Content-Encoding", "aws-chunked")
	if trailer != "" {
		name, _, _ := strings.Cut(trailer, ":")
		r.Header.Set("X-Amz-Trailer", name)
	}
	last := s.sign(r, form)
	at := s.at.Format("20060102T150405Z") + "\n" + s.scope() + "\n"
	for _, c := range append(contents, "") {
		last = s.hmac("AWS4-HMAC-SHA256-PAYLOAD\n" + at + last + "\n" + hexSum("") + "\n" + hexSum(c))
		piece := fmt.Sprintf("%x;chunk-signature=%s\r\n%s", len(c), last, c)
		if c != "" {
			piece += "\r\n"
		}
		pieces = append(pieces, piece)
	}
	if trailer == "" {
		return append(pieces, "\r\n")
	}
	last = s.hmac("AWS4-HMAC-SHA256-TRAILER\n" + at + last + "\n" + hexSum(trailer+"\n"))
	return append(pieces, trailer+"\r\n", "x-amz-trailer-signature:"+last+"\r\n", "\r\n")
}

// TestChunksUnderAttack: whoever stands between a client and us cannot reorder, drop, repeat, cut, add
// or change chunks or trailers, and cannot say that the body has another length.
func TestChunksUnderAttack(t *testing.T) {
	contents := []string{strings.Repeat("a", 9000), strings.Repeat("b", 9000), "the end"}
	const sum = "x-amz-checksum-crc32:AAAAAA=="
	whole := strings.Join(contents, "")
	for _, tc := range []struct {
		name    string
		form    string
		trailer string
		do      func(r *http.Request, p []string) []string
		good    bool
	}{
		{name: "as signed", form: signedChunks, good: true},
		{name: "as signed, with a trailer", form: signedTrailer, trailer: sum, good: true},
		{name: "without the last line", form: signedChunks, do: drop(4), good: true},
		{name: "with an empty line before the signature", form: signedTrailer, trailer: sum, good: true, do: func(_ *http.Request, p []string) []string {
			return append(append(p[:5:5], "\r\n"), p[5:]...)
		}},
		{name: "with a line that ends with LF alone", form: signedTrailer, trailer: sum, good: true, do: func(_ *http.Request, p []string) []string {
			p[4] = sum + "\n\r\n"
			return p
		}},
		{name: "two chunks in another order", form: signedChunks, do: func(_ *http.Request, p []string) []string {
			return append([]string{p[1], p[0]}, p[2:]...)
		}},
		{name: "a chunk dropped", form: signedChunks, do: drop(1)},
		{name: "the first chunk dropped, and a shorter length announced", form: signedChunks, do: func(r *http.Request, p []string) []string {
			r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(whole)-9000))
			return p[1:]
		}},
		{name: "a chunk repeated", form: signedChunks, do: func(_ *http.Request, p []string) []string {
			return append([]string{p[0]}, p...)
		}},
		{name: "cut after a chunk", form: signedChunks, do: func(_ *http.Request, p []string) []string { return p[:2] }},
		{name: "cut within a chunk", form: signedChunks, do: func(_ *http.Request, p []string) []string {
			return []string{p[0], p[1][:100]}
		}},
		{name: "cut before the last chunk", form: signedChunks, do: func(_ *http.Request, p []string) []string { return p[:3] }},
		{name: "more after the end", form: signedChunks, do: func(_ *http.Request, p []string) []string { return append(p, "x") }},
		{name: "a trailer that was not announced", form: signedChunks, do: func(_ *http.Request, p []string) []string {
			return append(p[:4:4], sum+"\r\n", "\r\n")
		}},
		{name: "the trailer dropped", form: signedTrailer, trailer: sum, do: func(_ *http.Request, p []string) []string { return append(p[:4:4], "\r\n") }},
		{name: "the trailer not signed", form: signedTrailer, trailer: sum, do: drop(5)},
		{name: "the trailer changed", form: signedTrailer, trailer: sum, do: func(_ *http.Request, p []string) []string {
			p[4] = strings.Replace(p[4], "AAAAAA", "AAAAAB", 1)
			return p
		}},
		{name: "the trailer twice", form: signedTrailer, trailer: sum, do: func(_ *http.Request, p []string) []string {
			return append(p[:5:5], p[4:]...)
		}},
		{name: "more after the signature of the trailer", form: signedTrailer, trailer: sum, do: func(_ *http.Request, p []string) []string {
			return append(p[:6:6], "x-amz-checksum-crc32:BBBBBB==\r\n", "\r\n")
		}},
		{name: "another length", form: signedChunks, do: func(r *http.Request, p []string) []string {
			r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(whole)+1))
			return p
		}},
		{name: "said to be unsigned", form: signedChunks, do: func(r *http.Request, p []string) []string {
			r.Header.Set("X-Amz-Content-Sha256", unsignedTrailer)
			return p
		}},
		{name: "said to be plain", form: signedChunks, do: func(r *http.Request, p []string) []string {
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			return p
		}},
		{name: "a chunk without signature", form: signedChunks, do: func(_ *http.Request, p []string) []string {
			head, rest, _ := strings.Cut(p[1], "\r\n")
			size, _, _ := strings.Cut(head, ";")
			p[1] = size + "\r\n" + rest
			return p
		}},
	} {
		h := newHouse(t)
		r := httptest.NewRequest(http.MethodPut, "/b/k", nil)
		pieces := chunked(r, me("us-south"), tc.form, contents, tc.trailer)
		if tc.do != nil {
			pieces = tc.do(r, pieces)
		}
		r.Body = io.NopCloser(strings.NewReader(strings.Join(pieces, "")))
		w := h.ask(r)
		got, kept := h.shelf.has("b", "k")
		if tc.good && (w.Code != 200 || got != whole) {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
		if !tc.good && (w.Code/100 != 4 || kept) {
			t.Errorf("%s: %d %s, kept: %v", tc.name, w.Code, w.Body, kept)
		}
	}
}

func drop(i int) func(*http.Request, []string) []string {
	return func(_ *http.Request, p []string) []string { return append(p[:i:i], p[i+1:]...) }
}

// TestLengthThatIsSignedAndWrong: a client that announces another length than it sends is told so.
func TestLengthThatIsSignedAndWrong(t *testing.T) {
	for _, off := range []int{-1, 1} {
		h := newHouse(t)
		r := httptest.NewRequest(http.MethodPut, "/b/k", nil)
		s := me("us-south")
		pieces := chunked(r, s, signedChunks, []string{strings.Repeat("a", 100)}, "")
		// Sign again, with the wrong length: then all that is wrong is the length.
		r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(100+off))
		last := s.sign(r, signedChunks)
		at := s.at.Format("20060102T150405Z") + "\n" + s.scope() + "\n"
		pieces = pieces[:0]
		for _, c := range []string{strings.Repeat("a", 100), ""} {
			last = s.hmac("AWS4-HMAC-SHA256-PAYLOAD\n" + at + last + "\n" + hexSum("") + "\n" + hexSum(c))
			pieces = append(pieces, fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", len(c), last, c))
		}
		r.Body = io.NopCloser(strings.NewReader(strings.Join(pieces, "")))
		w := h.ask(r)
		if _, kept := h.shelf.has("b", "k"); w.Code != 400 || code(t, w) != "IncompleteBody" || kept {
			t.Errorf("%+d: %d %s", off, w.Code, w.Body)
		}
	}
}

// TestUnsignedChunks: the form that clients use over TLS, with a checksum in a trailer.
func TestUnsignedChunks(t *testing.T) {
	const body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
	for _, tc := range []struct {
		name, body, length, announce string
		code                         string
	}{
		{"as announced", body, "11", "x-amz-checksum-crc32", ""},
		{"names in another case", strings.Replace(body, "x-amz", "X-Amz", 1), "11", "X-Amz-Checksum-CRC32", ""},
		{"without a length", body, "", "x-amz-checksum-crc32", "MissingContentLength"},
		{"with a length that is no number", body, "-1", "x-amz-checksum-crc32", "InvalidArgument"},
		{"less than announced", body, "12", "x-amz-checksum-crc32", "IncompleteBody"},
		{"more than announced", body, "10", "x-amz-checksum-crc32", "IncompleteBody"},
		{"a trailer that was not announced", body, "11", "", "IncompleteBody"},
		{"another trailer than announced", body, "11", "x-amz-checksum-sha1", "IncompleteBody"},
		{"the trailer missing", "b\r\nhello world\r\n0\r\n\r\n", "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"a trailer that is no checksum", strings.Replace(body, "DUoRhQ==", "DUoRh", 1), "11", "x-amz-checksum-crc32", "InvalidRequest"},
		{"two checksums", body, "11", "x-amz-checksum-crc32, x-amz-checksum-sha1", "InvalidRequest"},
		{"more after the end", body + "x", "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"a chunk longer than its length", strings.Replace(body, "hello", "hello!", 1), "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"no hexadecimal number", strings.Replace(body, "5\r", "+5\r", 1), "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"a length beyond all", "fffffffffffffffff\r\n", "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"an extension", strings.Replace(body, "5\r", "5;x=y\r", 1), "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"a line without end", strings.Repeat("0", 100_000), "11", "x-amz-checksum-crc32", "IncompleteBody"},
		{"lines without CR", strings.ReplaceAll(body, "\r", ""), "11", "x-amz-checksum-crc32", "IncompleteBody"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader(tc.body)))
		r.Header.Set("X-Amz-Content-Sha256", unsignedTrailer)
		r.Header.Set("X-Amz-Decoded-Content-Length", tc.length)
		r.Header.Set("X-Amz-Trailer", tc.announce)
		r.Header.Set("Content-Encoding", "gzip, aws-chunked")
		w := h.ask(r)
		got, kept := h.shelf.has("b", "k")
		if tc.code != "" {
			if w.Code/100 != 4 || code(t, w) != tc.code || kept {
				t.Errorf("%s: %d %s, kept: %v", tc.name, w.Code, w.Body, kept)
			}
			continue
		}
		write, _ := h.shelf.asked().(objects.Write)
		if w.Code != 200 || got != "hello world" || w.Header().Get("X-Amz-Checksum-Crc32") != "DUoRhQ==" || write.Headers.ContentEncoding != "gzip" {
			t.Errorf("%s: %d %s %v", tc.name, w.Code, w.Body, w.Header())
		}
	}
}

// TestSignedChunksNeedASignature: chunks whose signatures nothing begins are not taken for signed.
func TestSignedChunksNeedASignature(t *testing.T) {
	h := newHouse(t)
	r := asMe(httptest.NewRequest(http.MethodPut, "/b/k", strings.NewReader("0;chunk-signature=00\r\n\r\n")))
	r.Header.Set("X-Amz-Content-Sha256", signedChunks)
	r.Header.Set("X-Amz-Decoded-Content-Length", "0")
	if w := h.ask(r); w.Code != 400 || code(t, w) != "InvalidRequest" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

package s3_test

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strongroom/objects"
)

func TestUploadInParts(t *testing.T) {
	h := newHouse(t)
	w := h.ask(asMe(httptest.NewRequest(http.MethodPost, "/b/k%01?uploads", nil)))
	var started struct {
		XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket, Key string
		UploadId    string //nolint:revive // as it is called in the document
	}
	body := strings.Replace(w.Body.String(), "&#x1;", "", 1) // XML 1.0 cannot carry it
	if err := xml.Unmarshal([]byte(body), &started); err != nil || w.Code != 200 || started.UploadId != "u" || started.Key != "k" {
		t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	w = h.ask(asMe(httptest.NewRequest(http.MethodPut, "/b/k?partNumber=1&uploadId=u", strings.NewReader("part"))))
	if p, _ := h.shelf.asked().(objects.PartWrite); w.Code != 200 || w.Header().Get("Etag") != `"p"` || p.Number != 1 || p.Upload != "u" || p.Expect.Size != 4 {
		t.Errorf("%d %s %+v", w.Code, w.Body, p)
	}
	copied := asMe(httptest.NewRequest(http.MethodPut, "/b/k?partNumber=2&uploadId=u", nil))
	copied.Header.Set("X-Amz-Copy-Source", "src/k")
	copied.Header.Set("X-Amz-Copy-Source-Range", "bytes=5-9")
	w = h.ask(copied)
	if p, _ := h.shelf.asked().(objects.PartWrite); w.Code != 200 || p.From == nil || *p.From.Range != (objects.Range{First: 5, Last: 9}) {
		t.Errorf("%d %s %+v", w.Code, w.Body, p)
	}
	const list = `<x:CompleteMultipartUpload xmlns:x="urn:any"><x:Part><x:ETag>"p"</x:ETag><x:PartNumber>1</x:PartNumber></x:Part>` +
		`<Part><PartNumber>2</PartNumber><ETag>p</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></x:CompleteMultipartUpload>`
	w = h.ask(asMe(httptest.NewRequest(http.MethodPost, "/b/k?uploadId=u", strings.NewReader(list))))
	c, _ := h.shelf.asked().(objects.Complete)
	if w.Code != 200 || w.Header().Get("Etag") != `"whole-2"` || len(c.Parts) != 2 || c.Parts[0].ETag != "p" || c.Parts[1].Checksums.Value != "AAAAAA==" || c.Size != -1 {
		t.Errorf("%d %s %+v", w.Code, w.Body, c)
	}
	for _, tc := range []struct{ name, url, body, code string }{
		{"no upload", "/b/k?uploadId=", list, "NoSuchUpload"},
		{"another upload", "/b/k?uploadId=x", list, "NoSuchUpload"},
		{"no body", "/b/k?uploadId=u", "", "MissingRequestBodyError"},
		{"no parts", "/b/k?uploadId=u", "<CompleteMultipartUpload/>", "MalformedXML"},
		{"another document", "/b/k?uploadId=u", "<Other><Part/></Other>", "MalformedXML"},
		{"no number", "/b/k?uploadId=u", strings.Replace(list, ">2<", ">two<", 1), "MalformedXML"},
		{"an entity", "/b/k?uploadId=u", `<!DOCTYPE x [<!ENTITY e "e">]>` + list, "MalformedXML"},
		{"no end", "/b/k?uploadId=u", list[:50], "MalformedXML"},
		{"too long", "/b/k?uploadId=u", strings.Repeat(" ", 4<<20+1), "MaxMessageLengthExceeded"},
	} {
		w := h.ask(asMe(httptest.NewRequest(http.MethodPost, tc.url, strings.NewReader(tc.body))))
		if w.Code/100 != 4 || code(t, w) != tc.code {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
	two := asMe(httptest.NewRequest(http.MethodPost, "/b/k?uploadId=u", strings.NewReader(list)))
	two.Header.Set("X-Amz-Checksum-Crc32", "NhCmhg==")
	two.Header.Set("X-Amz-Checksum-Crc32c", "NhCmhg==")
	if w := h.ask(two); w.Code != 400 || code(t, w) != "InvalidRequest" {
		t.Errorf("two checksums: %d %s", w.Code, w.Body)
	}
	w = h.ask(asMe(httptest.NewRequest(http.MethodPut, "/b/k?partNumber=1", strings.NewReader("part"))))
	if _, kept := h.shelf.has("b", "k"); w.Code != 400 || code(t, w) != "InvalidArgument" || kept {
		t.Errorf("a part of no upload: %d %s, kept: %v", w.Code, w.Body, kept)
	}
	for _, n := range []string{"0", "10001", "-1", "x", ""} {
		w := h.ask(asMe(httptest.NewRequest(http.MethodPut, "/b/k?uploadId=u&partNumber="+n, strings.NewReader("part"))))
		if w.Code != 400 || code(t, w) != "InvalidArgument" {
			t.Errorf("part %q: %d %s", n, w.Code, w.Body)
		}
	}
}

func TestChecksumsOfAnUpload(t *testing.T) {
	for _, tc := range []struct{ algorithm, kind, want string }{
		{"CRC32", "", "COMPOSITE"},
		{"crc32", "FULL_OBJECT", "FULL_OBJECT"},
		{"CRC64NVME", "", "FULL_OBJECT"},
		{"SHA256", "COMPOSITE", "COMPOSITE"},
		{"SHA256", "FULL_OBJECT", ""},
		{"CRC64NVME", "COMPOSITE", ""},
		{"CRC9", "", ""},
		{"CRC32", "HALF", ""},
		{"", "COMPOSITE", ""},
		{"CRC32", "Full_Object", "FULL_OBJECT"},
	} {
		h := newHouse(t)
		r := asMe(httptest.NewRequest(http.MethodPost, "/b/k?uploads", nil))
		r.Header.Set("X-Amz-Checksum-Algorithm", tc.algorithm)
		if tc.kind != "" {
			r.Header.Set("X-Amz-Checksum-Type", tc.kind)
		}
		w := h.ask(r)
		if tc.want == "" && w.Code != 400 || w.Header().Get("X-Amz-Checksum-Type") != tc.want {
			t.Errorf("%s %s: %d %s %v", tc.algorithm, tc.kind, w.Code, w.Body, w.Header())
		}
	}
}

package objects_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"

	"strongroom/test/rig"
)

// sizes are those at which something begins or ends, in bytes.
func sizes() []int64 {
	all := []int64{0, 1, 15, 16, 17, segment - 1, segment, segment + 1, partSize - 1, partSize, partSize + 1, 64 << 20}
	if soak() {
		all = append(all, 1<<30)
	}
	return all
}

// ways are how an object comes into a bucket. Later ones may use what the first has stored.
var ways = []struct {
	name string
	make func(s *store, t *testing.T, key string, c content, first thing) thing
}{
	{"put", func(s *store, t *testing.T, key string, c content, _ thing) thing {
		names := []string{"Crc32", "Crc32c", "Crc64nvme", "Sha1", "Sha256"}
		return s.put(t, key, c, names[int(c.seed+4)%len(names)])
	}},
	{"multipart", func(s *store, t *testing.T, key string, c content, _ thing) thing {
		return s.inParts(t, key, c, "Crc64nvme", nil)
	}},
	{"copy", func(s *store, t *testing.T, key string, c content, first thing) thing {
		_, doc := s.must(t, http.MethodPut, "/"+key, http.Header{"X-Amz-Copy-Source": {s.source(first)}}, nil, 0)
		var made struct{ ETag string }
		decode(t, doc, &made)
		if made.ETag != `"`+first.etag+`"` {
			t.Errorf("%s was copied with the ETag %s, not %q", key, made.ETag, first.etag)
		}
		first.key = key
		return first
	}},
	{"part-copy", func(s *store, t *testing.T, key string, c content, first thing) thing {
		return s.inParts(t, key, c, "Sha256", &first)
	}},
}

// source is what a copy is asked to copy.
func (s *store) source(o thing) string { return "/" + s.bucket + "/" + url.PathEscape(o.key) }

// inParts stores a content in parts, which are sent, or copied if there is something to copy from. Its
// checksum is that of the whole where the algorithm can do that, and else that of the checksums of parts.
func (s *store) inParts(t *testing.T, key string, c content, algorithm string, from *thing) thing {
	t.Helper()
	o := thing{key: key, content: c, etag: c.partsETag(t), algorithm: algorithm}
	pieces := c.pieces()
	kind := "FULL_OBJECT"
	if algorithm == "Sha256" {
		kind = "COMPOSITE"
		o.sum = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(c.composite(t, sha256.New)), len(pieces)-1)
	} else {
		o.sum = c.sum(t, algorithm)
	}
	_, doc := s.must(t, http.MethodPost, "/"+key+"?uploads", http.Header{
		"X-Amz-Checksum-Algorithm": {algorithm}, "X-Amz-Checksum-Type": {kind},
	}, nil, 0)
	var upload struct{ UploadId string } //nolint:revive // as S3 calls it
	decode(t, doc, &upload)
	var list bytes.Buffer
	list.WriteString("<CompleteMultipartUpload>")
	for i := range len(pieces) - 1 {
		path := fmt.Sprintf("/%s?partNumber=%d&uploadId=%s", key, i+1, url.QueryEscape(upload.UploadId))
		etag := hex.EncodeToString(c.digest(t, md5.New(), pieces[i], pieces[i+1]))
		sum := base64.StdEncoding.EncodeToString(c.digest(t, algorithms()[algorithm](), pieces[i], pieces[i+1]))
		if from == nil {
			s.must(t, http.MethodPut, path, http.Header{"X-Amz-Checksum-" + algorithm: {sum}}, c.from(pieces[i], pieces[i+1]), pieces[i+1]-pieces[i])
		} else {
			h := http.Header{"X-Amz-Copy-Source": {s.source(*from)}}
			if c.size > 0 {
				h.Set("X-Amz-Copy-Source-Range", fmt.Sprintf("bytes=%d-%d", pieces[i], pieces[i+1]-1))
			}
			s.must(t, http.MethodPut, path, h, nil, 0)
		}
		name := map[string]string{"Crc64nvme": "ChecksumCRC64NVME", "Sha256": "ChecksumSHA256"}[algorithm]
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag><%s>%s</%s></Part>", i+1, etag, name, sum, name)
	}
	list.WriteString("</CompleteMultipartUpload>")
	_, doc = s.must(t, http.MethodPost, "/"+key+"?uploadId="+url.QueryEscape(upload.UploadId), nil, &list, int64(list.Len()))
	var made struct{ ETag string }
	decode(t, doc, &made)
	if made.ETag != `"`+o.etag+`"` {
		t.Errorf("%s was completed with the ETag %s, not %q", key, made.ETag, o.etag)
	}
	return o
}

// TestEveryByteComesBack stores contents of all sizes in all ways, changes the keys of the bucket one
// way after the other, and reads all of them each time, whole and in ranges.
func TestEveryByteComesBack(t *testing.T) {
	random := seeded(t)
	s := open(t, 6)
	s.authorize(t)
	id, first := s.newRoot(t, "first")
	_, second := s.newRoot(t, "second")
	s.newBucket(t, "every-byte", first)

	var things []thing
	for i, size := range sizes() {
		c := content{byte(i + 1), size}
		var stored thing
		for _, way := range ways {
			if !soak() && way.name != "put" && size > segment+1 && size != partSize+1 {
				continue
			}
			o := way.make(s, t, fmt.Sprintf("%s-%d", way.name, size), c, stored)
			if way.name == "put" {
				stored = o
			}
			things = append(things, o)
		}
	}
	for i, change := range []struct {
		name string
		do   func(t *testing.T)
	}{
		{"as they were written", func(*testing.T) {}},
		{"after a rotation of the root key", func(t *testing.T) {
			s.Must(t, rig.Request{
				Method: http.MethodPost, Path: "/api/v2/keys/" + id + "/actions/rotate", Token: s.bearer(t),
				Header: http.Header{"Bluemix-Instance": {s.keys}}, Body: "{}",
			}, nil)
			s.await(t, "rewrap", nil)
		}},
		{"after a rekey", func(t *testing.T) { s.work(t, "rekey", map[string]any{"root_key_crn": second}) }},
		{"after a rekey with new ciphertext", func(t *testing.T) {
			s.work(t, "rekey", map[string]any{"root_key_crn": first, "reencrypt": true})
		}},
		{"after a rekey to the provider's key", func(t *testing.T) { s.work(t, "rekey", map[string]any{"provider_key": true}) }},
	} {
		t.Run(change.name, func(t *testing.T) {
			change.do(t)
			for _, o := range things {
				if i == 0 || soak() {
					s.readAll(t, o, random)
				} else {
					s.readSome(t, o, random)
				}
			}
		})
	}
	s.work(t, "verify", map[string]any{})
}

// readAll reads a thing whole and in ranges: around each boundary, and some by chance.
func (s *store) readAll(t *testing.T, o thing, random *rand.Rand) {
	t.Helper()
	if err := s.getWhole(t.Context(), o); err != nil {
		t.Error(err)
	}
	if o.size == 0 {
		return
	}
	if err := s.get(t.Context(), o, "-17", max(o.size-17, 0), o.size-1); err != nil {
		t.Error(err)
	}
	edges := []int64{0, 15, 16, segment, 2 * segment, partSize, o.size / 2, o.size - segment, o.size - 1}
	for i, edge := range edges {
		if edge < 0 || edge >= o.size {
			continue
		}
		s.readRange(t, o, max(edge-1, 0), edge+1)
		if !soak() {
			continue
		}
		for _, last := range edges[i:] {
			if last >= edge {
				s.readRange(t, o, edge, last)
			}
		}
	}
	ranges := 2
	if soak() {
		ranges = 1000
	}
	for range ranges {
		s.readByChance(t, o, random)
	}
}

// readSome reads a small thing whole, and of another a few ranges.
func (s *store) readSome(t *testing.T, o thing, random *rand.Rand) {
	t.Helper()
	if o.size <= segment {
		if err := s.getWhole(t.Context(), o); err != nil {
			t.Error(err)
		}
		return
	}
	s.readRange(t, o, segment-1, segment)
	s.readByChance(t, o, random)
}

func (s *store) readByChance(t *testing.T, o thing, random *rand.Rand) {
	t.Helper()
	first := random.Int64N(o.size)
	s.readRange(t, o, first, first+random.Int64N(1<<random.IntN(22)))
}

func (s *store) readRange(t *testing.T, o thing, first, last int64) {
	t.Helper()
	if err := s.getRange(t.Context(), o, first, last); err != nil {
		t.Error(err)
	}
}

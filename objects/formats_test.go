package objects

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/custody"
)

// hexBytes are bytes that are hexadecimal in the document.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// documentedObject is an object in docs/formats.md.
type documentedObject struct {
	Bucket      BucketID  `json:"bucket"`
	Key         string    `json:"key"`
	Version     VersionID `json:"version"`
	Write       string    `json:"write"`
	Modified    int64     `json:"modified"`
	BucketKey   hexBytes  `json:"bucket_key"`
	DataKey     hexBytes  `json:"data_key"`
	CustomerKey hexBytes  `json:"customer_key"`
	// The data key sealed without and with the customer's key.
	SealedKey     hexBytes             `json:"sealed_data_key"`
	SealedWithKey hexBytes             `json:"sealed_with_customer_key"`
	Record        record               `json:"record"`
	SealedRecord  hexBytes             `json:"sealed_record"`
	Parts         []documentedPart     `json:"parts"`
	Segments      []documentedSegments `json:"segments"`
}

type documentedPart struct {
	Number       int      `json:"number"`
	Size         int64    `json:"size"`
	Write        string   `json:"write"`
	Blob         hexBytes `json:"blob"`
	Data         int      `json:"k"`
	Total        int      `json:"n"`
	AllOrNothing bool     `json:"all_or_nothing"`
}

type documentedSegments struct {
	Part      int      `json:"part"`
	Index     int64    `json:"index"`
	Final     bool     `json:"final"`
	Plaintext string   `json:"plaintext"`
	Sealed    hexBytes `json:"sealed"`
}

func (p documentedPart) row() PartRow {
	return PartRow{
		Number: p.Number, Size: p.Size, Write: p.Write,
		Blob: Blob{ID: BlobID(p.Blob), Data: p.Data, Total: p.Total, AllOrNothing: p.AllOrNothing},
	}
}

func (d *documentedObject) row() Row {
	r := Row{
		Bucket: d.Bucket, Key: d.Key, Version: d.Version, Write: d.Write,
		Modified: time.UnixMicro(d.Modified), Parts: len(d.Parts), DataKey: d.SealedKey, Record: d.SealedRecord,
	}
	for _, p := range d.Parts {
		r.Size += p.Size
	}
	return r
}

func (d *documentedObject) partRows() (parts []PartRow) {
	for _, p := range d.Parts {
		parts = append(parts, p.row())
	}
	return parts
}

func openKeyOf(t *testing.T, key []byte) *custody.Opened {
	t.Helper()
	k, err := custody.NewOpened(custody.NewSecret(key))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func readDocumented(t *testing.T) (d documentedObject) {
	t.Helper()
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(doc), "```json object\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("no vectors in the document")
	}
	dec := json.NewDecoder(strings.NewReader(block))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestObjectIsAsDocumented(t *testing.T) {
	d := readDocumented(t)
	k, r, parts := openKeyOf(t, d.BucketKey), d.row(), d.partRows()
	rec, err := openRecord(k, &r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&d.Record, rec); diff != "" {
		t.Error("record: ", diff)
	}
	if got := digestOf(parts); !bytes.Equal(got, rec.Parts) {
		t.Errorf("digest of the parts = %x, want %x", got, rec.Parts)
	}
	dataKey, err := openDataKey(k, d.Bucket, d.Key, string(d.Version), d.Write, d.SealedKey, nil)
	if err != nil || !bytes.Equal(dataKey.Reveal(), d.DataKey) {
		t.Fatalf("data key = %x, %v", dataKey.Reveal(), err)
	}
	own := &CustomerKey{Key: custody.NewSecret(d.CustomerKey)}
	dataKey, err = openDataKey(k, d.Bucket, d.Key, string(d.Version), d.Write, d.SealedWithKey, own)
	if err != nil || !bytes.Equal(dataKey.Reveal(), d.DataKey) {
		t.Errorf("data key under the customer's = %x, %v", dataKey.Reveal(), err)
	}
	ways := map[bool]bool{}
	for _, v := range d.Segments {
		part := parts[v.Part-1]
		ways[part.Blob.AllOrNothing] = true
		plain, err := newSegments(d.Bucket, &part, dataKey).open(nil, v.Sealed, v.Index, v.Final)
		if err != nil || string(plain) != v.Plaintext {
			t.Errorf("segment %d of part %d = %q, %v", v.Index, v.Part, plain, err)
		}
	}
	if len(ways) != 2 {
		t.Errorf("segments are sealed in %d ways, want 2", len(ways))
	}
}

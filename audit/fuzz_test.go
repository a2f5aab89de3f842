package audit_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
)

func FuzzParseEntry(f *testing.F) {
	h := finished(f)
	for _, l := range lines(h, h.files.Names()[0]) {
		f.Add(l)
	}
	f.Add([]byte("{\"sequence\":1,\"hash\":\"" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + "\",\"event\":{}}\n"))
	f.Add([]byte("{\"sequence\":01"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if again, err := audit.ParseLine(text); err == nil && !bytes.Equal(again, text) {
			t.Errorf("%q is read as %q", text, again)
		}
	})
}

func FuzzParseEvent(f *testing.F) {
	text, err := json.Marshal(wrapEvent(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"eventTime":"2026-07-01T10:11:12.34+0000","requestData":{"a":[1,{"b":null}],"t":1e400}}`))
	f.Add(bytes.Repeat([]byte(`{"requestData":`), 100))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := audit.ParseEvent(text)
		if err != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			return // deeper than what the log writes
		}
		once, err := audit.ParseEvent(out)
		if err != nil {
			t.Fatalf("what is written is not read: %v\n%s", err, out)
		}
		again, err := json.Marshal(once)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(out), string(again)); diff != "" {
			t.Errorf("written twice (-first +second):\n%s", diff)
		}
	})
}

func FuzzVerifySegment(f *testing.F) {
	h := finished(f)
	whole := h.files
	name := whole.Names()[0]
	f.Add(whole.Bytes(name))
	f.Add([]byte(nil))
	f.Add([]byte("\n\n{\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		changed := *h
		changed.options.OnError = nil
		changed.files = whole.Clone()
		changed.files.Put(name, content)
		if changed.verify(t, nil).OK() != bytes.Equal(content, whole.Bytes(name)) {
			t.Error("a segment that was changed passes, or one that was not fails")
		}
		// A start must cope with whatever it finds.
		changed.files = audit.NewMemFiles()
		changed.files.Put(name, content)
		changed.anchors = &memAnchors{}
		changed.options.Anchors = changed.anchors
		l := changed.open(t)
		appendAll(t, l, wrapEvent(1))
		closeLog(t, l)
	})
}

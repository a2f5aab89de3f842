package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const description = `{"openapi":"3.1.1","info":{"title":"t","version":"1"},"paths":{
	"/api/v2/things":{"post":{"operationId":"make","summary":"s","tags":["t"],
		"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
		"responses":{"200":{"description":"d","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}}}}}},
	"components":{"schemas":{"Thing":{"type":"object","properties":{"name":{"type":"string"}}}}}}`

// judging runs the judge before a server that answers with what it is sent.
type judging struct {
	url    string
	client *http.Client
	end    func() (report string, err error)
}

func judgeOf(t *testing.T, serve http.HandlerFunc, more ...string) judging {
	t.Helper()
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/openapi.json" {
			_, _ = io.WriteString(w, description)
			return
		}
		serve(w, r)
	}))
	upstream.EnableHTTP2 = true // whose bodies flow both ways at once
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	dir := t.TempDir()
	ca, own := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "own.pem")
	known := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: upstream.Certificate().Raw})
	if err := os.WriteFile(ca, known, 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, stop := io.Pipe()
	said, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(t.Context(), append(more, "-upstream", upstream.URL, "-ca", ca, "-certificate", own), stdin, stdout)
		stdout.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewReader(said)
	address, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	return judging{strings.TrimSpace(address), client, func() (string, error) {
		client.CloseIdleConnections()
		if err := stop.Close(); err != nil {
			t.Fatal(err)
		}
		report, _ := io.ReadAll(lines) // fails with what run returns
		return string(report), <-ended
	}}
}

// echo answers in JSON with what it is sent.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.Copy(w, r.Body)
}

func (j judging) post(t *testing.T, path, body string) string {
	t.Helper()
	resp, err := j.client.Post(j.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestLetsPassWhatIsDescribed(t *testing.T) {
	j := judgeOf(t, echo)
	const body = `{"name":"a"}`
	for range 3 {
		if got := j.post(t, "/api/v2/things", body); got != body {
			t.Errorf("got %s", got)
		}
	}
	if got := j.post(t, "/elsewhere", "[]"); got != "[]" {
		t.Errorf("got %s", got)
	}
	report, err := j.end()
	if err != nil || report != "3 requests to 1 of 1 operations judged, 0 deviations\n" {
		t.Errorf("%v\n%s", err, report)
	}
}

func TestReportsWhatDeviates(t *testing.T) {
	j := judgeOf(t, echo)
	j.post(t, "/api/v2/things", `{"size":1}`)
	j.post(t, "/api/v2/things", `{"size":1}`)
	j.post(t, "/api/v2/things/1", `{}`)
	report, err := j.end()
	if !errors.Is(err, errDeviates) {
		t.Errorf("the judge ends with %v", err)
	}
	for _, want := range []string{
		"2 times", `request POST /api/v2/things: the body has the member "size"`, `status 200: the body has the member "size"`,
		"no path describes /api/v2/things/1", "3 requests to 1 of 1 operations judged, 2 deviations",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not say %q:\n%s", want, report)
		}
	}
}

// TestPassesPiecesOn shows that nothing waits for the end of a body, in either direction.
func TestPassesPiecesOn(t *testing.T) {
	j := judgeOf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		piece := make([]byte, 1)
		for {
			n, err := r.Body.Read(piece)
			_, _ = w.Write(piece[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	})
	from, to := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, j.url+"/api/v2/things", from)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	go func() { _, _ = to.Write([]byte("{")) }()
	resp, err := j.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, got); err != nil || got[0] != '{' {
		t.Fatalf("%q, %v", got, err)
	}
	go func() { _, _ = to.Write([]byte("}")); to.Close() }()
	if rest, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(rest, []byte("}")) {
		t.Fatalf("%q, %v", rest, err)
	}
	if report, err := j.end(); err != nil {
		t.Errorf("%v\n%s", err, report)
	}
}

// TestDoesNotJudgeInPart shows that a body which is too large to be kept is not taken for good.
func TestDoesNotJudgeInPart(t *testing.T) {
	j := judgeOf(t, echo, "-limit", "1000")
	body := `{"name":"` + strings.Repeat("x", 1000) + `"}`
	if got := j.post(t, "/api/v2/things", body); got != body {
		t.Errorf("%d bytes come back of %d", len(got), len(body))
	}
	if report, err := j.end(); !errors.Is(err, errDeviates) || !strings.Contains(report, "too large") {
		t.Errorf("%v\n%.2000s", err, report)
	}
}

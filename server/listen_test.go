package server

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// TestNoRequestIsAnsweredOffTheRecord asks what net/http would answer by itself.
func TestNoRequestIsAnsweredOffTheRecord(t *testing.T) {
	ours := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	e, err := listen("127.0.0.1:0", &certificates{}, ours, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = e.server.Serve(e.listener) }() // without TLS, which changes nothing here
	t.Cleanup(func() { _ = e.server.Close() })
	c, err := net.Dial("tcp", e.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusTeapot {
		t.Errorf("answered %v, %v", resp, err)
	}
}

package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestSlowClientsAreLetGo(t *testing.T) {
	const patience = 200 * time.Millisecond
	read, wrote := make(chan error, 1), make(chan error, 1)
	s := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
		if r.URL.Path == "/endless" {
			for err == nil {
				_, err = w.Write(make([]byte, 64<<10))
			}
			wrote <- err
		}
	}), patience, patience))
	defer s.Close()

	dial := func(request string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		return c
	}
	fails := func(what string, from chan error) {
		t.Helper()
		select {
		case err := <-from:
			if err == nil {
				t.Error(what + " was waited for")
			}
		case <-time.After(30 * time.Second):
			t.Error(what + " is waited for")
		}
	}
	dial("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
	fails("a body that does not come", read)
	dial("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n") // and never reads
	<-read
	fails("an answer that is not taken", wrote)
}

// TestLongWorkIsNotCutOff: only the client is hurried, also on a connection that
// is used again.
func TestLongWorkIsNotCutOff(t *testing.T) {
	const patience = 100 * time.Millisecond
	s := httptest.NewServer(paced(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for _, piece := range []string{string(body), "done"} {
			select {
			case <-r.Context().Done():
				piece = "cancelled"
			case <-time.After(3 * patience):
			}
			fmt.Fprintln(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	}), patience, patience))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answers := bufio.NewReader(c)
	for range 2 {
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwork"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if got := strings.Fields(string(body)); err != nil || len(got) != 2 || got[0] != "work" || got[1] != "done" {
			t.Errorf("the answer is %q, %v", body, err)
		}
		time.Sleep(2 * patience)
	}
}

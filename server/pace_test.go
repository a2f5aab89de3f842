package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes in memory: their deadlines go by the clock of a
// bubble, and not by how busy the machine is.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// servePaced serves a handler, paced, and returns how to connect to it.
func servePaced(t *testing.T, patience time.Duration, h http.HandlerFunc) (dial func(request string) net.Conn) {
	t.Helper()
	l := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: paced(h, patience, patience)}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return func(request string) net.Conn {
		t.Helper()
		client, server := net.Pipe()
		t.Cleanup(func() { _ = client.Close() })
		l.accepted <- server
		if _, err := io.WriteString(client, request); err != nil {
			t.Fatal(err)
		}
		return client
	}
}

func TestSlowClientsAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 30 * time.Second
		read, wrote := make(chan error, 1), make(chan error, 1)
		dial := servePaced(t, patience, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
			if r.URL.Path == "/endless" {
				for err == nil {
					_, err = w.Write(make([]byte, 64<<10))
				}
				wrote <- err
			}
		})
		fails := func(what string, from chan error) {
			t.Helper()
			begin := time.Now()
			if err := <-from; err == nil || time.Since(begin).Truncate(time.Second) != patience {
				t.Errorf("%s is waited for %v, and then: %v", what, time.Since(begin), err)
			}
		}
		dial("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
		fails("a body that does not come", read)
		dial("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n") // and never reads
		<-read
		fails("an answer that is not taken", wrote)
	})
}

// TestARefusalDoesNotWaitForTheBody of a client that waits to be told to send it.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := servePaced(t, 30*time.Second, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
		})
		begin := time.Now()
		c := dial("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(begin); resp.StatusCode != http.StatusForbidden || waited != 0 {
			t.Errorf("answered %d after %v", resp.StatusCode, waited)
		}
	})
}

// TestLargeBodyMayTakeItsTime: a client that goes on sending is not cut off, however long that takes; nor
// does the time count that the server takes between two pieces.
func TestLargeBodyMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience, pieces, piece = 30 * time.Second, 20, 256 << 10
		read := make(chan int64, 1)
		dial := servePaced(t, patience, func(_ http.ResponseWriter, r *http.Request) {
			var got int64
			for buf := make([]byte, piece); ; time.Sleep(2 * patience) {
				n, err := io.ReadFull(r.Body, buf)
				if got += int64(n); err != nil {
					break
				}
			}
			read <- got
		})
		c := dial(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", pieces*piece))
		for range pieces {
			time.Sleep(patience / 2) // of the bubble
			if _, err := c.Write(make([]byte, piece)); err != nil {
				t.Errorf("sending: %v", err)
				break
			}
		}
		if got := <-read; got != pieces*piece {
			t.Errorf("%d of %d bytes have come", got, pieces*piece)
		}
	})
}

// TestLongWorkIsNotCutOff: only the client is hurried, also on a connection that
// is used again.
func TestLongWorkIsNotCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = 30 * time.Second
		dial := servePaced(t, patience, func(w http.ResponseWriter, r *http.Request) {
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
		})
		c := dial("")
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
			time.Sleep(2 * patience) // of the bubble
		}
	})
}

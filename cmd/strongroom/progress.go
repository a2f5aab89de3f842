package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressAfter is how long something must take before its progress is shown.
const progressAfter = time.Second

// progress shows people, on a terminal, how far something long has come. It is silent otherwise.
type progress struct {
	bar   *progressbar.ProgressBar
	begun time.Time
	now   func() time.Time
}

// progress begins to count to total, in bytes or pieces.
func (p *program) progress(what string, total int64, bytes bool) *progress {
	to, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(to.Fd())) || p.flags.output == outputJSON {
		return &progress{}
	}
	return &progress{
		begun: p.now(), now: p.now,
		bar: progressbar.NewOptions64(max(total, 1), progressbar.OptionSetWriter(to), progressbar.OptionSetDescription(printable(what)),
			progressbar.OptionShowBytes(bytes), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionSetVisibility(true), progressbar.OptionSetPredictTime(true)),
	}
}

func (p *progress) early() bool { return p.bar == nil || p.now().Sub(p.begun) < progressAfter }

// set says how far it has come; what cannot be shown is of no consequence.
func (p *progress) set(done, total int64) {
	if p.early() {
		return
	}
	p.bar.ChangeMax64(max(total, 1))
	_ = p.bar.Set64(done)
}

// reading counts what is read from r.
func (p *progress) reading(r io.Reader) io.Reader {
	if p.bar == nil {
		return r
	}
	return &countedReader{r: r, progress: p}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

type countedReader struct {
	r        io.Reader
	progress *progress
	done     int64
}

// Read implements io.Reader.
func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.done += int64(n)
	if !c.progress.early() {
		_ = c.progress.bar.Set64(c.done)
	}
	return n, err
}

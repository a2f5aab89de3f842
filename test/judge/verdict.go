package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"strongroom/test/openapi"
)

// verdicts collects what deviates from a description.
type verdicts struct {
	document *openapi.Document

	mu         sync.Mutex
	judged     int
	operations map[string]bool     // that were called
	found      map[string]*finding // by what is wrong
}

// finding is a deviation, with the first exchange that had it.
type finding struct {
	times        int
	agent        string
	sent, answer []byte
}

func newVerdicts(d *openapi.Document) *verdicts {
	return &verdicts{document: d, operations: map[string]bool{}, found: map[string]*finding{}}
}

// judge judges one exchange; whole says whether both bodies are complete.
func (v *verdicts) judge(q openapi.Request, a openapi.Answer, whole bool) {
	err := errors.New("the bodies are too large to be judged")
	if whole {
		err = v.document.Judge(q, a)
	}
	name, described := v.document.Operation(q)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.judged++
	if described {
		v.operations[name] = true
	}
	if err == nil {
		return
	}
	f := v.found[err.Error()]
	if f == nil {
		f = &finding{agent: q.Header.Get("User-Agent"), sent: q.Body, answer: a.Body}
		v.found[err.Error()] = f
	}
	f.times++
}

// report writes what was found, and fails if that is anything.
func (v *verdicts) report(w io.Writer) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(v.found)) {
		f := v.found[what]
		fmt.Fprintf(w, "%d times, first from %q: %s\nrequest: %.600s\nanswer: %.600s\n\n", f.times, f.agent, what, f.sent, f.answer)
	}
	fmt.Fprintf(w, "%d requests to %d of %d operations judged, %d deviations\n",
		v.judged, len(v.operations), len(v.document.Operations()), len(v.found))
	if len(v.found) > 0 {
		return errDeviates
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"strongroom/bench/load"
)

// watch notes the memory of a process.
type watch struct {
	pid   int
	notes []note
}

type note struct {
	when      string
	now, most int64 // bytes
	err       error
}

func (w *watch) note(when string) {
	n := note{when: when}
	n.now, n.most, n.err = load.Memory(w.pid)
	w.notes = append(w.notes, n)
}

func (w *watch) report(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tMiB\tat most so far\t")
	var failed []error
	for _, n := range w.notes {
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", n.when, n.now>>20, n.most>>20)
		failed = append(failed, n.err)
	}
	return errors.Join(append(failed, t.Flush())...)
}

package objects

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxRouting is how many routing rules a website may have.
const maxRouting = 50

// SetWebsite sets the configuration of a static website; nil removes it.
func SetWebsite(w *Website) Change {
	return func(b *Bucket, _ time.Time) error {
		if w != nil {
			if err := w.valid(); err != nil {
				return err
			}
		}
		b.Website = w
		return nil
	}
}

func (w *Website) valid() error {
	if w.Redirect != nil {
		switch {
		case w.Index != "" || w.Error != "" || len(w.Rules) > 0:
			return ErrArgument.On("RedirectAllRequestsTo", "it excludes everything else")
		case w.Redirect.Host == "":
			return ErrArgument.On("HostName", "a redirection of all requests needs one")
		case w.Redirect.Key != "" || w.Redirect.Prefix != "" || w.Redirect.Code != "":
			return ErrArgument.On("RedirectAllRequestsTo", "only a host and a protocol are possible")
		}
		return w.Redirect.valid()
	}
	switch {
	case w.Index == "":
		return ErrArgument.On("IndexDocument", "a suffix is needed")
	case strings.Contains(w.Index, "/"):
		return ErrArgument.On("IndexDocument", "the suffix must not contain a slash")
	case len(w.Index) > MaxKey || len(w.Error) > MaxKey:
		return ErrKeyLong
	case len(w.Rules) > maxRouting:
		return ErrArgument.On("RoutingRules", fmt.Sprintf("more than %d rules", maxRouting))
	}
	for i := range w.Rules {
		if err := w.Rules[i].valid(); err != nil {
			return err
		}
	}
	return nil
}

func (r *RoutingRule) valid() error {
	if r.Status != "" && !codeIn(r.Status, 400, 599) {
		return ErrArgument.On("HttpErrorCodeReturnedEquals", "not the status of an error")
	}
	if r.Redirect == (Redirect{}) {
		return ErrArgument.On("Redirect", "it changes nothing")
	}
	return r.Redirect.valid()
}

func (r *Redirect) valid() error {
	switch {
	case r.Protocol != "" && r.Protocol != "http" && r.Protocol != "https":
		return ErrArgument.On("Protocol", "neither http nor https")
	case strings.ContainsAny(r.Host, "/\\?#@ \r\n\t"):
		return ErrArgument.On("HostName", "not the name of a host")
	case r.Key != "" && r.Prefix != "":
		return ErrArgument.On("Redirect", "ReplaceKeyWith and ReplaceKeyPrefixWith exclude each other")
	case len(r.Key) > MaxKey || len(r.Prefix) > MaxKey:
		return ErrKeyLong
	case r.Code != "" && !slices.Contains([]string{"301", "302", "303", "304", "305", "307", "308"}, r.Code):
		return ErrArgument.On("HttpRedirectCode", "not the status of a redirection to one place")
	}
	return nil
}

// codeIn reports whether s is an HTTP status from low to high.
func codeIn(s string, low, high int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && len(s) == 3 && n >= low && n <= high
}

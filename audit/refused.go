package audit

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Limits of what requests without a caller may write, per window, refused ones and answered ones
// apart. Together they bound a flood of either to 133 events a minute, whatever its size and however
// many addresses it uses.
const (
	refusalWindow    = time.Minute
	refusalsSingle   = 100  // written one by one, all sources together
	refusalsSource   = 10   // written one by one, for each source
	refusalsCounted  = 4096 // sources that are counted apart; the rest is counted together
	refusalsReported = 32   // sources that get an event of their own when the window closes, most active first
)

// refusals counts the requests that nobody signed in for: those that were refused, or those that
// were answered, as the operation is open to everybody.
type refusals struct {
	mu      sync.Mutex
	until   time.Time          // end of the window; zero if none is open. Guarded by mu, as all below
	single  int                // written one by one in this window
	sources map[string]*source // by address
	others  source             // all that came when sources was full
}

// source is what came from one address in a window.
type source struct {
	single      int // written one by one
	count       int // only counted
	first, last time.Time
	sample      Event // the first one counted
}

func (s *source) add(ev *Event) {
	if s.count == 0 {
		s.first, s.sample = ev.Time, *ev
	}
	s.count++
	s.last = ev.Time
}

// merge adds what another source counted.
func (s *source) merge(t *source) {
	if s.count == 0 || t.count > 0 && t.first.Before(s.first) {
		s.first, s.sample = t.first, t.sample
	}
	if t.last.After(s.last) {
		s.last = t.last
	}
	s.count += t.count
}

// Refused records a request that nobody signed in for: its refusal, or that it was answered because
// the operation is open to everybody. The first few from an address, and of all addresses, are
// recorded like other events within a minute; further ones are counted and recorded in one event when
// the minute is over, those that were answered apart. None is written into the last Options.Reserve
// bytes of the disk: they stay counted until there is room. It returns nil also for what is only
// counted.
//
// source is the client's address; addresses of one IPv6 /64 network count as one. ev must not be
// changed afterwards.
func (l *Log) Refused(ctx context.Context, source string, ev *Event) error {
	if err := l.Healthy(); err != nil {
		return err
	}
	ev.complete(l.now())
	r := &l.refusals
	if ev.Outcome == Success {
		r = &l.answers
	}
	if l.count(r, network(source), ev) {
		return nil
	}
	return l.Append(ctx, ev)
}

// count counts a request, and reports false if it is to be written instead.
func (l *Log) count(r *refusals, address string, ev *Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until.IsZero() {
		r.until = l.now().Add(refusalWindow)
	}
	s := r.sources[address]
	if s == nil {
		if len(r.sources) >= refusalsCounted {
			s = &r.others
		} else {
			if r.sources == nil {
				r.sources = make(map[string]*source)
			}
			s = new(source)
			r.sources[address] = s
		}
	}
	if r.single < refusalsSingle && s.single < refusalsSource && l.room() {
		r.single++
		s.single++
		return false
	}
	s.add(ev)
	return true
}

// room reports whether refusals may still use the disk.
func (l *Log) room() bool {
	free, err := l.files.free()
	return err == nil && free >= l.reserve
}

// flushRefusals records what was counted, if the window is over or all says so.
func (l *Log) flushRefusals(ctx context.Context, all bool) error {
	return errors.Join(l.flush(ctx, &l.refusals, all), l.flush(ctx, &l.answers, all))
}

func (l *Log) flush(ctx context.Context, r *refusals, all bool) error {
	r.mu.Lock()
	if r.until.IsZero() || !all && l.now().Before(r.until) || !l.room() || l.Healthy() != nil {
		r.mu.Unlock()
		return nil
	}
	sources, others := r.sources, r.others
	r.sources, r.others, r.single, r.until = nil, source{}, 0, time.Time{}
	r.mu.Unlock()

	events := l.summaries(sources, others)
	if len(events) == 0 {
		return nil
	}
	// Whether they were written must be known, or they would be counted again.
	if err := l.Append(context.WithoutCancel(ctx), events...); err != nil {
		r.recount(sources, others, l.now())
		return err
	}
	return nil
}

// recount puts back what could not be written, as far as there is room to count it apart.
func (r *refusals) recount(sources map[string]*source, others source, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until.IsZero() {
		r.until = now.Add(refusalWindow)
	}
	if r.sources == nil {
		r.sources = make(map[string]*source)
	}
	r.others.merge(&others)
	for address, s := range sources {
		switch there := r.sources[address]; {
		case there != nil:
			there.merge(s)
		case len(r.sources) < refusalsCounted:
			s.single = 0
			r.sources[address] = s
		default:
			r.others.merge(s)
		}
	}
}

// summaries makes the events of a window: one for each of the most active sources, one for the rest.
func (l *Log) summaries(sources map[string]*source, others source) []*Event {
	maps.DeleteFunc(sources, func(_ string, s *source) bool { return s.count == 0 })
	addresses := slices.SortedFunc(maps.Keys(sources), func(a, b string) int {
		return sources[b].count - sources[a].count
	})
	var events []*Event
	for i, address := range addresses {
		if i < refusalsReported {
			events = append(events, summary(sources[address], address, 1))
		} else {
			others.merge(sources[address])
		}
	}
	if others.count > 0 {
		events = append(events, summary(&others, "others", max(1, len(addresses)-refusalsReported)))
	}
	return events
}

// summary is the event for what was counted, modelled on the first of them.
func summary(s *source, name string, addresses int) *Event {
	like := &s.sample
	action, message := actionRefusals, "Audit: refused requests were counted -failure"
	if like.Outcome == Success {
		action, message = actionAnswers, "Audit: requests open to everybody were counted"
	}
	return &Event{
		Action: action, Outcome: like.Outcome, Severity: like.Severity, Message: message,
		Initiator: Initiator{Host: like.Initiator.Host},
		Target:    like.Target,
		Reason:    like.Reason,
		RequestData: map[string]any{
			"source": name, "sources": addresses, "count": s.count,
			"firstTime": s.first, "lastTime": s.last,
			"sampleAction": like.Action, "sampleCorrelationId": like.CorrelationID,
		},
	}
}

// network returns the name under which an address is counted: the /64 of an IPv6 address, because a
// single host has all of it, and the address otherwise.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return cut(address, 64)
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

package main

import (
	"slices"
	"time"
)

// parseTime reads a time as people write it: RFC 3339, a date in UTC, or a distance from now such as
// 24h, in the direction of sign.
func parseTime(s string, now time.Time, sign time.Duration) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(sign * d).UTC(), true
	}
	return time.Time{}, false
}

// futureTime reads the time of a flag about what is to come, for the wire.
func (p *program) futureTime(flag, s string) (string, error) {
	return p.wireTime(flag, s, 1)
}

// pastTime reads the time of a flag about what has been, for the wire.
func (p *program) pastTime(flag, s string) (string, error) {
	return p.wireTime(flag, s, -1)
}

func (p *program) wireTime(flag, s string, sign time.Duration) (string, error) {
	t, err := p.flagTime(flag, s, sign)
	if err != nil {
		return "", err
	}
	return t.Format(time.RFC3339), nil
}

func (p *program) flagTime(flag, s string, sign time.Duration) (time.Time, error) {
	t, ok := parseTime(s, p.now(), sign)
	if !ok {
		return time.Time{}, withHint(usageErrorf("%s is %q, which is no time", flag, s),
			"write 2026-12-31T23:59:59Z, 2026-12-31, or a distance from now such as 24h")
	}
	return t, nil
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

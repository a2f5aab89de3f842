package iam

import (
	"strings"
	"time"
)

// ruleNode is a compiled condition.
type ruleNode struct {
	operator Operator
	children []ruleNode // of And and Or
	key      string
	matcher  matcher // of strings
	order    order
	moments  []moment // of comparisons with the clock
}

// moment is a point that the clock is compared with, in the zone in which it is
// written: a time of day, a date, an instant or a day of the week.
type moment struct {
	zone *time.Location
	at   int64 // seconds since midnight, days (year·512 + day of the year), Unix microseconds, or 1 for Monday to 7
}

// compileRule expects a condition that was checked.
func compileRule(c *Condition) (*ruleNode, error) {
	n := &ruleNode{operator: c.Operator, key: c.Key}
	if c.Operator == And || c.Operator == Or {
		for i := range c.Conditions {
			child, err := compileRule(&c.Conditions[i])
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, *child)
		}
		return n, nil
	}
	family := c.Operator.family()
	if family == "string" {
		n.matcher = compileMatcher(c.Operator, c.Value)
		return n, nil
	}
	n.order = orders[strings.TrimPrefix(string(c.Operator), family)]
	for _, t := range c.Value.Texts {
		m, err := parseMoment(family, t)
		if err != nil {
			return nil, err
		}
		n.moments = append(n.moments, m)
	}
	return n, nil
}

// holds evaluates the condition for what a request names, at one reading of the
// clock.
func (n *ruleNode) holds(data *Data, now time.Time) bool {
	switch n.operator {
	case And:
		for i := range n.children {
			if !n.children[i].holds(data, now) {
				return false
			}
		}
		return len(n.children) > 0
	case Or:
		for i := range n.children {
			if n.children[i].holds(data, now) {
				return true
			}
		}
		return false
	}
	if n.moments != nil {
		return n.holdsAt(now)
	}
	value, present := data.attribute(n.key)
	return n.matcher.match(value, present)
}

// holdsAt compares the clock with any of the moments.
func (n *ruleNode) holdsAt(now time.Time) bool {
	for _, m := range n.moments {
		clock := m.read(n.key, now)
		switch {
		case n.key == RuleDay:
			if clock == m.at {
				return true
			}
		case clock < m.at && n.order.before, clock == m.at && n.order.at, clock > m.at && n.order.after:
			return true
		}
	}
	return false
}

// read expresses the clock's reading in the terms of the moment.
func (m moment) read(key string, now time.Time) int64 {
	t := now.In(m.zone)
	switch key {
	case RuleTime:
		return secondOfDay(t)
	case RuleDate:
		return dayNumber(t)
	case RuleDay:
		return isoWeekday(t)
	default:
		return now.UnixMicro()
	}
}

func secondOfDay(t time.Time) int64 {
	return int64(t.Hour()*3600 + t.Minute()*60 + t.Second())
}

func dayNumber(t time.Time) int64 { return int64(t.Year())<<9 | int64(t.YearDay()) }

// isoWeekday counts from 1 for Monday to 7 for Sunday.
func isoWeekday(t time.Time) int64 { return int64((t.Weekday()+6)%7) + 1 }

// attribute finds what a rule compares. A nil Data has no attributes.
func (d *Data) attribute(key string) (value string, present bool) {
	if d == nil {
		return "", false
	}
	var p *string
	switch key {
	case RulePath:
		p = d.Path
	case RulePrefix:
		p = d.Prefix
	case RuleDelimiter:
		p = d.Delimiter
	}
	if p == nil {
		return "", false
	}
	return *p, true
}

// Layouts of moments, with their zone; "Z07:00" also reads "+00:00". Without a
// zone they are in UTC.
var layouts = map[string][]string{
	"time":     {"15:04:05Z07:00", "15:04:05"},
	"date":     {"2006-01-02Z07:00", "2006-01-02"},
	"dateTime": {time.RFC3339, "2006-01-02T15:04:05"},
}

// parseMoment reads a value of a comparison; those of strings have no moment.
func parseMoment(family, s string) (moment, error) {
	switch family {
	case "string":
		return moment{}, nil
	case "dayOfWeek":
		return parseDay(s)
	}
	for _, layout := range layouts[family] {
		// Parse would take an offset for the machine's own zone, with its daylight saving.
		t, err := time.ParseInLocation(layout, s, time.UTC)
		if err != nil {
			continue
		}
		m := moment{zone: t.Location()}
		switch family {
		case "time":
			m.at = secondOfDay(t)
		case "date":
			m.at = dayNumber(t)
		default:
			m.at = t.UnixMicro()
		}
		return m, nil
	}
	return moment{}, ErrPolicy.On("rule", quoted(s)+" has not the form of a "+family)
}

// parseDay reads a day of the week with an optional zone, as "3+06:00".
func parseDay(s string) (moment, error) {
	if s == "" || s[0] < '1' || s[0] > '7' {
		return moment{}, ErrPolicy.On("rule", quoted(s)+" is not a day from 1 (Monday) to 7 (Sunday)")
	}
	zone := time.UTC
	if rest := s[1:]; rest != "" {
		t, err := time.ParseInLocation("Z07:00", rest, time.UTC)
		if err != nil {
			return moment{}, ErrPolicy.On("rule", quoted(s)+" has no valid zone")
		}
		zone = t.Location()
	}
	return moment{zone: zone, at: int64(s[0] - '0')}, nil
}

package iam

import (
	"slices"
	"strconv"
	"strings"
)

// Condition is a rule or a part of one: either a branch, whose operator is And
// or Or and which has Conditions, or a comparison of the attribute Key.
type Condition struct {
	Operator   Operator
	Conditions []Condition // of a branch
	Key        string      // of a comparison, as "{{resource.attributes.path}}"
	Value      Value       // of a comparison
}

// Operators of branches, and of comparisons with the clock.
const (
	And Operator = "and"
	Or  Operator = "or"

	TimeLessThan                Operator = "timeLessThan"
	TimeLessThanOrEquals        Operator = "timeLessThanOrEquals"
	TimeGreaterThan             Operator = "timeGreaterThan"
	TimeGreaterThanOrEquals     Operator = "timeGreaterThanOrEquals"
	DateLessThan                Operator = "dateLessThan"
	DateLessThanOrEquals        Operator = "dateLessThanOrEquals"
	DateGreaterThan             Operator = "dateGreaterThan"
	DateGreaterThanOrEquals     Operator = "dateGreaterThanOrEquals"
	DateTimeLessThan            Operator = "dateTimeLessThan"
	DateTimeLessThanOrEquals    Operator = "dateTimeLessThanOrEquals"
	DateTimeGreaterThan         Operator = "dateTimeGreaterThan"
	DateTimeGreaterThanOrEquals Operator = "dateTimeGreaterThanOrEquals"
	DayOfWeekEquals             Operator = "dayOfWeekEquals"
	DayOfWeekAnyOf              Operator = "dayOfWeekAnyOf"
)

// Attributes that a rule may compare.
const (
	RulePath      = "{{resource.attributes.path}}"
	RulePrefix    = "{{resource.attributes.prefix}}"
	RuleDelimiter = "{{resource.attributes.delimiter}}"
	RuleTime      = "{{environment.attributes.current_time}}"
	RuleDate      = "{{environment.attributes.current_date}}"
	RuleDateTime  = "{{environment.attributes.current_date_time}}"
	RuleDay       = "{{environment.attributes.day_of_week}}"
)

// patterns are the values that "pattern" may have: they tell consoles how a rule
// was made, and decide nothing.
var patterns = []string{
	"time-based-conditions:once",
	"time-based-conditions:weekly:all-day",
	"time-based-conditions:weekly:custom-hours",
	"attribute-based-condition:resource:literal-and-wildcard",
	"attribute-based-condition:resource:literal",
}

// Data is what a request names inside an object, for rules. A nil attribute is
// absent: a rule that compares it does not match.
type Data struct {
	Path      *string // key of an object in a bucket
	Prefix    *string // of a listing
	Delimiter *string // of a listing
}

func (p *Policy) checkRule() error {
	if (p.Rule == nil) != (p.Pattern == "") {
		return ErrPolicy.On("rule", "rule and pattern are needed together")
	}
	if p.Rule == nil {
		return nil
	}
	if !slices.Contains(patterns, p.Pattern) {
		return ErrPolicy.On("pattern", "unknown pattern "+quoted(p.Pattern))
	}
	count := 0
	return p.Rule.check(1, &count)
}

func (c *Condition) check(depth int, count *int) error {
	if *count++; *count > maxConditions {
		return ErrPolicy.On("rule", "it has more than 64 conditions")
	}
	if c.Operator != And && c.Operator != Or {
		return c.checkComparison()
	}
	if depth > maxDepth {
		return ErrPolicy.On("rule", "conditions are nested more than 4 deep")
	}
	if len(c.Conditions) == 0 || c.Key != "" || c.Value.Texts != nil {
		return ErrPolicy.On("rule", `"and" and "or" need conditions, and nothing else`)
	}
	for i := range c.Conditions {
		if err := c.Conditions[i].check(depth+1, count); err != nil {
			return err
		}
	}
	return nil
}

func (c *Condition) checkComparison() error {
	if c.Conditions != nil {
		return ErrPolicy.On("rule", `only "and" and "or" have conditions`)
	}
	a := Attribute{c.Key, c.Operator, c.Value}
	family := c.Operator.family()
	if family == "" {
		return ErrPolicy.On("rule", "unknown operator "+quoted(string(c.Operator)))
	}
	if !slices.Contains(keysOfFamily[family], c.Key) {
		return ErrPolicy.On("rule", quoted(string(c.Operator))+" does not compare "+quoted(c.Key))
	}
	if err := checkValue("rule", a); err != nil {
		return err
	}
	for _, t := range c.Value.Texts {
		if _, err := parseMoment(family, t); err != nil {
			return err
		}
	}
	return nil
}

// keysOfFamily says which attributes the operators of a family compare.
var keysOfFamily = map[string][]string{
	"string":    {RulePath, RulePrefix, RuleDelimiter},
	"time":      {RuleTime},
	"date":      {RuleDate},
	"dateTime":  {RuleDateTime},
	"dayOfWeek": {RuleDay},
}

// family is the first word of a comparison's operator, or "" if there is no
// such operator.
func (o Operator) family() string {
	switch o {
	case StringEquals, StringMatch, StringExists, StringEqualsAnyOf, StringMatchAnyOf:
		return "string"
	case DayOfWeekEquals, DayOfWeekAnyOf:
		return "dayOfWeek"
	}
	for _, family := range []string{"dateTime", "date", "time"} {
		if rest, ok := strings.CutPrefix(string(o), family); ok {
			if _, ok := orders[rest]; ok {
				return family
			}
		}
	}
	return ""
}

// order says on which sides of a moment the clock may stand.
type order struct{ before, at, after bool }

var orders = map[string]order{
	"LessThan":            {before: true},
	"LessThanOrEquals":    {before: true, at: true},
	"GreaterThan":         {after: true},
	"GreaterThanOrEquals": {after: true, at: true},
}

// fingerprint writes the condition in a form that is equal for equal rules.
func (c *Condition) fingerprint(put func(...string)) {
	if c == nil {
		return
	}
	put(append([]string{string(c.Operator), c.Key}, c.Value.Texts...)...)
	for i := range c.Conditions {
		c.Conditions[i].fingerprint(put)
	}
	put("end", strconv.Itoa(len(c.Conditions)))
}

package audit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Bounds of an event in text. A line frames a body with less than maxFrame bytes.
const (
	maxLine   = 64 << 10
	maxFrame  = 512
	maxBody   = maxLine - maxFrame
	maxString = 2048 // bytes of a string before escaping
	maxShort  = 256  // the same, when the event is too long for a line otherwise
	maxDepth  = 4    // of RequestData and ResponseData, themselves included
	maxItems  = 128  // members of a map or items of a list
)

// timeLayout is that of eventTime: UTC, hundredths of a second.
const timeLayout = "2006-01-02T15:04:05.00-0700"

var errData = errors.New("value cannot be recorded")

// MarshalJSON returns the event as it is written in the log.
func (e *Event) MarshalJSON() ([]byte, error) { return appendEvent(nil, e) }

// appendEvent appends the JSON of e, at most maxBody bytes. It is written by hand because it runs
// for each request, and so that a value has one spelling, by which searches find it in the raw line.
func appendEvent(b []byte, e *Event) ([]byte, error) {
	w := encoder{b: b, limit: maxString}
	w.event(e)
	if w.err != nil {
		return b, w.err
	}
	if len(w.b)-len(b) > maxBody {
		w = encoder{b: b, limit: maxShort, brief: true}
		w.event(e)
	}
	return w.b, nil
}

// appendString appends s as a JSON string, cut like one of an event.
func appendString(b []byte, s string) []byte {
	w := encoder{b: b, limit: maxString}
	w.str(s)
	return w.b
}

// encoder appends members to b. The first failure stays in err.
type encoder struct {
	b     []byte
	limit int  // bytes of a string that are kept
	brief bool // leave out RequestData and ResponseData
	err   error
}

func (w *encoder) event(e *Event) {
	w.b = append(w.b, `{"id":`...)
	w.str(e.ID)
	w.b = append(w.b, `,"eventTime":"`...)
	w.b = e.Time.UTC().AppendFormat(w.b, timeLayout)
	w.b = append(w.b, `","action":`...)
	w.str(e.Action)
	w.b = append(w.b, `,"outcome":`...)
	w.str(string(e.Outcome))
	w.b = append(w.b, `,"severity":`...)
	w.str(string(e.Severity))
	w.member("message", e.Message)
	w.member("correlationId", e.CorrelationID)
	w.b = append(w.b, `,"dataEvent":`...)
	w.b = strconv.AppendBool(w.b, e.DataEvent)
	w.b = append(w.b, `,"saveServiceCopy":true,"observer":{"name":"ActivityTracker"}`...)
	w.member("logSourceCRN", e.LogSourceCRN)
	w.member("accountId", e.Account)
	w.initiator(&e.Initiator)
	w.target(&e.Target)
	w.b = append(w.b, `,"reason":{"reasonCode":`...)
	w.b = strconv.AppendInt(w.b, int64(e.Reason.Code), 10)
	w.member("reasonType", e.Reason.Type)
	w.member("reasonForFailure", e.Reason.ForFailure)
	w.b = append(w.b, '}')
	w.data(`,"requestData":`, e.RequestData)
	w.data(`,"responseData":`, e.ResponseData)
	w.b = append(w.b, '}')
}

func (w *encoder) initiator(i *Initiator) {
	w.b = append(w.b, `,"initiator":{"id":`...)
	w.str(i.ID)
	w.member("name", i.Name)
	w.member("typeURI", i.TypeURI)
	w.member("authnId", i.AuthnID)
	w.member("authnName", i.AuthnName)
	if i.CredentialType != "" || i.CredentialID != "" {
		w.b = append(w.b, `,"credential":{"type":`...)
		w.str(i.CredentialType)
		w.member("id", i.CredentialID)
		w.b = append(w.b, '}')
	}
	if i.Host != (Host{}) {
		w.b = append(w.b, `,"host":{"address":`...)
		w.str(i.Host.Address)
		w.member("addressType", i.Host.AddressType)
		w.member("agent", i.Host.Agent)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, '}')
}

func (w *encoder) target(t *Target) {
	w.b = append(w.b, `,"target":{"id":`...)
	w.str(t.ID)
	w.member("name", t.Name)
	w.member("typeURI", t.TypeURI)
	w.member("resourceGroupId", t.ResourceGroupID)
	w.b = append(w.b, '}')
}

func (w *encoder) data(member string, m map[string]any) {
	if len(m) == 0 {
		return
	}
	w.b = append(w.b, member...)
	if w.brief {
		w.b = append(w.b, `{"truncated":true}`...)
		return
	}
	w.object(m, 1)
}

// member appends one more member of an object, unless s is empty. The name needs no escaping.
func (w *encoder) member(name, s string) {
	if s == "" {
		return
	}
	w.b = append(w.b, ',', '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
	w.str(s)
}

// object appends m with its names in order, so that equal events have equal text.
func (w *encoder) object(m map[string]any, depth int) {
	var room [16]string
	names := room[:0]
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	w.b = append(w.b, '{')
	for i, name := range names {
		if i == maxItems {
			break
		}
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.str(name)
		w.b = append(w.b, ':')
		w.value(m[name], depth+1)
	}
	w.b = append(w.b, '}')
}

// value appends v; the kinds that doors use come first, the rest by reflection.
func (w *encoder) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
	case string:
		w.str(v)
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case int:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	case json.Number:
		w.number(v)
	case time.Time:
		w.b = append(w.b, '"')
		w.b = v.UTC().AppendFormat(w.b, time.RFC3339Nano)
		w.b = append(w.b, '"')
	case map[string]any:
		if depth > maxDepth {
			w.fail(fmt.Errorf("%w: maps are nested too deep", errData))
			return
		}
		w.object(v, depth)
	default:
		w.reflected(reflect.ValueOf(v), depth)
	}
}

func (w *encoder) reflected(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		w.str(v.String())
	case reflect.Bool:
		w.b = strconv.AppendBool(w.b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.b = strconv.AppendInt(w.b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.b = strconv.AppendUint(w.b, v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		w.float(v.Float())
	case reflect.Slice:
		w.list(v, depth)
	case reflect.Map:
		w.reflectedMap(v, depth)
	default:
		w.fail(fmt.Errorf("%w: type %s", errData, v.Type()))
	}
}

func (w *encoder) list(v reflect.Value, depth int) {
	// Bytes are never a list here: most likely somebody is about to record a secret.
	if v.Type().Elem().Kind() == reflect.Uint8 || depth > maxDepth {
		w.fail(fmt.Errorf("%w: type %s at depth %d", errData, v.Type(), depth))
		return
	}
	w.b = append(w.b, '[')
	for i := range min(v.Len(), maxItems) {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.value(v.Index(i).Interface(), depth+1)
	}
	w.b = append(w.b, ']')
}

func (w *encoder) reflectedMap(v reflect.Value, depth int) {
	if v.Type().Key().Kind() != reflect.String || depth > maxDepth {
		w.fail(fmt.Errorf("%w: type %s at depth %d", errData, v.Type(), depth))
		return
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	w.b = append(w.b, '{')
	for i, key := range keys[:min(len(keys), maxItems)] {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.str(key.String())
		w.b = append(w.b, ':')
		w.value(v.MapIndex(key).Interface(), depth+1)
	}
	w.b = append(w.b, '}')
}

func (w *encoder) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = strconv.AppendFloat(w.b, f, 'g', -1, 64)
}

func (w *encoder) number(n json.Number) {
	text, err := json.Marshal(n)
	if err != nil || len(text) > w.limit {
		w.fail(fmt.Errorf("%w: number %.40q", errData, string(n)))
		return
	}
	w.b = append(w.b, text...)
}

func (w *encoder) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

const hexDigits = "0123456789abcdef"

// str appends s as a JSON string of one line, with invalid UTF-8 replaced, cut to the limit.
func (w *encoder) str(s string) {
	s = cut(s, w.limit)
	w.b = append(w.b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == '"' || c == '\\' || c == 0x7f {
				w.b = append(w.b, s[start:i]...)
				w.escape(c)
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			w.b = append(w.b, s[start:i]...)
			w.b = append(w.b, "\ufffd"...)
			start = i + 1
		}
		i += size
	}
	w.b = append(w.b, s[start:]...)
	w.b = append(w.b, '"')
}

func (w *encoder) escape(c byte) {
	if c == '"' || c == '\\' {
		w.b = append(w.b, '\\', c)
		return
	}
	w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// cut returns s, or its beginning of at most limit bytes, whole characters, marked with an ellipsis.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	end := limit - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

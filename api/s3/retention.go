package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type lockRetention struct {
	XMLName xml.Name `xml:"Retention"`
	xmlns
	Mode            string `xml:",omitempty"`
	RetainUntilDate string `xml:",omitempty"`
}

type legalHold struct {
	XMLName xml.Name `xml:"LegalHold"`
	xmlns
	Status string
}

// getRetention tells the Object Lock retention of a version.
func (f *face) getRetention(ctx context.Context, q *request) (httpface.Answer, error) {
	o, err := f.Objects.LockRetention(ctx, q.who, q.bucket, q.key, q.version())
	if err != nil {
		return httpface.Answer{}, err
	}
	return writeXML(newLockRetention(o.Lock), versioned(&o))
}

func newLockRetention(l objects.Lock) lockRetention {
	return lockRetention{xmlns: inNamespace(), Mode: string(l.Mode), RetainUntilDate: l.Until.UTC().Format(instantLayout)}
}

func (f *face) putRetention(ctx context.Context, q *request) (httpface.Answer, error) {
	var in lockRetention
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	mode, until, err := in.lock()
	if err != nil {
		return httpface.Answer{}, err
	}
	bypass := q.header("X-Amz-Bypass-Governance-Retention") == "true"
	o, err := f.Objects.SetLockRetention(ctx, q.who, q.bucket, q.key, q.version(), mode, until, bypass)
	return httpface.Answer{Header: versioned(&o)}, err
}

// lock reads mode and date, which belong together; neither removes the retention.
func (in *lockRetention) lock() (mode objects.LockMode, until time.Time, err error) {
	mode = objects.LockMode(in.Mode)
	switch {
	case in.Mode == "" && in.RetainUntilDate == "":
		return "", time.Time{}, nil
	case mode != objects.Governance && mode != objects.Compliance:
		return "", time.Time{}, errXML.On("Mode", "it must be GOVERNANCE or COMPLIANCE")
	case in.RetainUntilDate == "":
		return "", time.Time{}, errXML.On("RetainUntilDate", "it is missing")
	}
	until, err = parseInstant(in.RetainUntilDate)
	return mode, until, err
}

// getLegalHold tells the Object Lock legal hold of a version.
func (f *face) getLegalHold(ctx context.Context, q *request) (httpface.Answer, error) {
	o, err := f.Objects.LockHold(ctx, q.who, q.bucket, q.key, q.version())
	if err != nil {
		return httpface.Answer{}, err
	}
	out := legalHold{xmlns: inNamespace(), Status: "OFF"}
	if o.Lock.Hold {
		out.Status = "ON"
	}
	return writeXML(out, versioned(&o))
}

func (f *face) putLegalHold(ctx context.Context, q *request) (httpface.Answer, error) {
	var in legalHold
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	if in.Status != "ON" && in.Status != "OFF" {
		return httpface.Answer{}, errXML.On("Status", "it must be ON or OFF")
	}
	o, err := f.Objects.SetLockHold(ctx, q.who, q.bucket, q.key, q.version(), in.Status == "ON")
	return httpface.Answer{Header: versioned(&o)}, err
}

// retentionState is what IBM's retention policies keep of an object.
type retentionState struct {
	XMLName xml.Name `xml:"RetentionState"`
	xmlns
	CreateTime string
	Period     int64  `xml:"RetentionPeriod"`
	Expires    string `xml:"RetentionPeriodExpirationDate,omitempty"`
	LegalHolds struct {
		Holds []hold `xml:"LegalHold"`
	}
}

type hold struct{ ID, Date string }

// getHolds tells the legal holds of a retention policy (?legalHold, which is not ?legal-hold).
func (f *face) getHolds(ctx context.Context, q *request) (httpface.Answer, error) {
	o, err := f.Objects.Holds(ctx, q.who, q.bucket, q.key)
	if err != nil {
		return httpface.Answer{}, err
	}
	if o.Retention == nil {
		return httpface.Answer{}, objects.ErrNoRetention
	}
	return writeXML(newRetentionState(o.Retention), nil)
}

func newRetentionState(r *objects.Retention) *retentionState {
	out := &retentionState{xmlns: inNamespace(), CreateTime: r.Created.UTC().Format(http.TimeFormat), Period: r.Seconds}
	if !r.Until.IsZero() {
		out.Expires = r.Until.UTC().Format(http.TimeFormat)
	}
	for _, h := range r.Holds {
		out.LegalHolds.Holds = append(out.LegalHolds.Holds, hold{h.ID, h.Since.UTC().Format(http.TimeFormat)})
	}
	return out
}

// changeHolds adds or removes one legal hold of a retention policy.
func (f *face) changeHolds(ctx context.Context, q *request) (httpface.Answer, error) {
	add, remove := q.query.get("add"), q.query.get("remove")
	if (add == "") == (remove == "") {
		return httpface.Answer{}, errParameter.On("legalHold", "exactly one of add and remove is needed")
	}
	id := add
	if id == "" {
		id = remove
	}
	_, err := f.Objects.ChangeHolds(ctx, q.who, q.bucket, q.key, id, add != "")
	return httpface.Answer{}, err
}

// extendRetention makes the retention of an object longer.
func (f *face) extendRetention(ctx context.Context, q *request) (httpface.Answer, error) {
	e, err := extension(q.R.Header)
	if err != nil {
		return httpface.Answer{}, err
	}
	_, err = f.Objects.ExtendRetention(ctx, q.who, q.bucket, q.key, e)
	return httpface.Answer{}, err
}

// extension reads how a retention is to become longer, by exactly one of four headers.
func extension(h http.Header) (e objects.Extension, err error) {
	given := 0
	for _, way := range []struct {
		header string
		into   **int64
	}{
		{"Additional-Retention-Period", &e.Add},
		{"Extend-Retention-From-Current-Time", &e.FromNow},
		{"New-Retention-Period", &e.Period},
	} {
		text := h.Get(way.header)
		if text == "" {
			continue
		}
		given++
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return e, errHeader.On(way.header, "it is not a number of seconds")
		}
		*way.into = &seconds
	}
	if text := h.Get("New-Retention-Expiration-Date"); text != "" {
		given++
		var ok bool
		if e.Until, ok = parseRetentionDate(text); !ok {
			return e, errHeader.On("New-Retention-Expiration-Date", "it is not a date as 2030-01-02T15:04:05Z")
		}
	}
	if given != 1 {
		return e, errHeader.On("extendRetention", "exactly one way to extend the retention is needed")
	}
	return e, nil
}

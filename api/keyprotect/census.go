package keyprotect

import (
	"context"
	"net/http"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// versionCensus is what depends on a key version.
type versionCensus struct {
	version
	Registrations int           `json:"registrations"`
	LastWrap      *lastUse      `json:"lastWrap,omitempty"`   // absent if never
	LastUnwrap    *lastUse      `json:"lastUnwrap,omitempty"` // absent if never
	Data          []versionData `json:"data"`
}

// lastUse is shown to the fraction of a second, as it is for comparing with the audit log.
type lastUse struct {
	Date string         `json:"date"`
	By   iam.IdentityID `json:"by"`
}

// versionData is how much data a service says depends on a version.
type versionData struct {
	Service    string `json:"service"`
	Objects    int64  `json:"objects"`
	Bytes      int64  `json:"bytes"`
	ReportDate string `json:"reportDate"`
}

func newLastUse(u kms.LastUse) *lastUse {
	if u.At.IsZero() {
		return nil
	}
	return &lastUse{Date: u.At.UTC().Format("2006-01-02T15:04:05.000Z"), By: u.By}
}

func newVersionCensus(c kms.VersionCensus) versionCensus {
	out := versionCensus{
		version:       version{ID: c.ID, CreationDate: date(c.Created)},
		Registrations: c.Registrations,
		LastWrap:      newLastUse(c.Wrapped), LastUnwrap: newLastUse(c.Unwrapped),
		Data: make([]versionData, len(c.Data)),
	}
	for i, d := range c.Data {
		out.Data[i] = versionData{Service: d.Service, Objects: d.Objects, Bytes: d.Bytes, ReportDate: date(d.At)}
	}
	return out
}

func (s *server) censusRoutes() []httpface.Route[iam.Caller] {
	return []httpface.Route[iam.Caller]{
		ownRoute("GET", "/{id}/versions/census", http.StatusOK, kms.ActionVersions,
			handle(s, kms.ActionVersions, parseCensus, s.getCensus)),
		ownRoute("PUT", "/{id}/versions/{version}/data", http.StatusNoContent, kms.ActionRegistrationWrite,
			handle(s, kms.ActionRegistrationWrite, parseReport, s.reportData)),
	}
}

func parseCensus(c *call) (nothing, error) { return nothing{}, queryOf(c).err }

func (s *server) getCensus(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
	all, err := s.keys.Census(ctx, who, ref)
	if err != nil {
		return answer{}, err
	}
	resources := make([]versionCensus, len(all))
	for i, c := range all {
		resources[i] = newVersionCensus(c)
	}
	return collect(typeVersion, resources).send(), nil
}

// report is what a service says depends on a version.
type report struct {
	version kms.VersionID
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func parseReport(c *call) (report, error) {
	in := report{version: kms.VersionID(c.Path("version"))}
	err := c.JSON(&in, httpface.KnownFields)
	return in, err
}

func (s *server) reportData(ctx context.Context, who iam.Caller, ref kms.Ref, in report) (answer, error) {
	return answer{}, s.keys.ReportData(ctx, who, ref, in.version, in.Objects, in.Bytes)
}

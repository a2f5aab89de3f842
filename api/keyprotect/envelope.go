package keyprotect

import "time"

// Types of what is sent: as collectionType in an envelope, and as Content-Type.
const (
	typeKey          = "application/vnd.ibm.kms.key+json"
	typeVersion      = "application/vnd.ibm.kms.key.version+json"
	typeKeyAction    = "application/vnd.ibm.kms.key_action+json"
	typePolicy       = "application/vnd.ibm.kms.policy+json"
	typeAllowedIP    = "application/vnd.ibm.kms.allowed_ip_metadata+json"
	typeAlias        = "application/vnd.ibm.kms.alias+json"
	typeKeyRing      = "application/vnd.ibm.kms.key_ring+json"
	typeRegistration = "application/vnd.ibm.kms.registration+json"
	typeError        = "application/vnd.ibm.kms.error+json"
)

// metadata heads every collection.
type metadata struct {
	CollectionType  string       `json:"collectionType"`
	CollectionTotal int          `json:"collectionTotal"`
	TotalCount      *int         `json:"totalCount,omitempty"`
	SearchQuery     *searchQuery `json:"searchQuery,omitempty"`
}

// collection is the envelope of what is sent.
type collection[T any] struct {
	Metadata  metadata `json:"metadata"`
	Resources []T      `json:"resources"`
}

// collect puts resources into an envelope; resources must not be nil.
func collect[T any](kind string, resources []T) collection[T] {
	return collection[T]{Metadata: metadata{CollectionType: kind, CollectionTotal: len(resources)}, Resources: resources}
}

// counted adds how many there are without paging.
func (c collection[T]) counted(total int) collection[T] {
	c.Metadata.TotalCount = &total
	return c
}

// send answers with the collection and the status of the route.
func (c collection[T]) send() answer { return answer{Type: c.Metadata.CollectionType, Body: c} }

// sendAs answers with the collection and another status.
func (c collection[T]) sendAs(status int) answer {
	a := c.send()
	a.Status = status
	return a
}

// date is a time on the wire: UTC in whole seconds; empty for none.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

package keyprotect

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// key is a key on the wire. Members without omitempty are always there.
type key struct {
	Type                  string             `json:"type"`
	ID                    kms.KeyID          `json:"id"`
	Name                  string             `json:"name"`
	Aliases               []string           `json:"aliases,omitempty"`
	Description           string             `json:"description,omitempty"`
	Tags                  []string           `json:"tags,omitempty"`
	State                 kms.State          `json:"state"`
	ExpirationDate        string             `json:"expirationDate,omitempty"`
	Extractable           bool               `json:"extractable"`
	CRN                   string             `json:"crn"`
	Imported              bool               `json:"imported"`
	KeyRingID             kms.RingID         `json:"keyRingID"`
	CreationDate          string             `json:"creationDate,omitempty"`
	CreatedBy             iam.IdentityID     `json:"createdBy,omitempty"`
	AlgorithmType         string             `json:"algorithmType,omitempty"`
	AlgorithmMetadata     *algorithmMetadata `json:"algorithmMetadata,omitempty"`
	AlgorithmBitSize      int                `json:"algorithmBitSize,omitempty"`
	AlgorithmMode         string             `json:"algorithmMode,omitempty"`
	LastUpdateDate        string             `json:"lastUpdateDate,omitempty"`
	LastRotateDate        string             `json:"lastRotateDate,omitempty"`
	KeyVersion            *version           `json:"keyVersion,omitempty"`
	DualAuthDelete        *dualAuthDelete    `json:"dualAuthDelete,omitempty"`
	Deleted               bool               `json:"deleted"`
	DeletionDate          string             `json:"deletionDate,omitempty"`
	DeletedBy             iam.IdentityID     `json:"deletedBy,omitempty"`
	RestoreExpirationDate string             `json:"restoreExpirationDate,omitempty"`
	RestoreAllowed        *bool              `json:"restoreAllowed,omitempty"`
	PurgeAllowed          *bool              `json:"purgeAllowed,omitempty"`
	PurgeAllowedFrom      string             `json:"purgeAllowedFrom,omitempty"`
	PurgeScheduledOn      string             `json:"purgeScheduledOn,omitempty"`
	Payload               string             `json:"payload,omitempty"`
}

type algorithmMetadata struct {
	BitLength string `json:"bitLength"`
	Mode      string `json:"mode"`
}

type dualAuthDelete struct {
	Enabled bool `json:"enabled"`
}

// deprecated is what the protocol says of algorithms today.
const deprecated = "Deprecated"

// minimal returns the columns that the answer to a creation has.
func (s *server) minimal(k *kms.Key) key {
	return key{
		Type: typeKey, ID: k.ID, Name: k.Name, Aliases: k.Aliases, Description: k.Description,
		State: k.StateAt(s.now()), ExpirationDate: date(k.Expires), Extractable: k.Extractable,
		CRN:      crn.Of(crn.KeyProtect, s.region, string(k.Account), string(k.Instance), "key", string(k.ID)).String(),
		Imported: k.Imported, KeyRingID: k.Ring, Deleted: k.State == kms.Destroyed,
	}
}

// listed returns the columns that keys have in a list.
func (s *server) listed(k *kms.Key) key {
	out := s.full(k)
	if k.Extractable {
		out.KeyVersion = nil
	}
	return out
}

// full returns all columns but the payload.
func (s *server) full(k *kms.Key) key {
	out := s.minimal(k)
	bits := 8 * k.Newest.Size
	out.Tags = k.Tags
	out.CreationDate, out.CreatedBy = date(k.Created), k.CreatedBy
	out.AlgorithmType, out.AlgorithmMode, out.AlgorithmBitSize = deprecated, deprecated, bits
	out.AlgorithmMetadata = &algorithmMetadata{BitLength: strconv.Itoa(bits), Mode: deprecated}
	out.LastUpdateDate, out.LastRotateDate = date(k.Updated), date(k.Rotated)
	out.KeyVersion = &version{ID: k.Newest.ID, CreationDate: date(k.Newest.Created)}
	out.DualAuthDelete = &dualAuthDelete{}
	if k.State == kms.Destroyed {
		out.tellDeletion(k, s.now())
	}
	return out
}

// tellDeletion adds what can still be done with a deleted key, and until when.
func (out *key) tellDeletion(k *kms.Key, now time.Time) {
	restorable := k.Deleted.Add(kms.RestoreWindow)
	purgeable := k.Deleted.Add(kms.PurgeWait)
	restore := now.Before(restorable) && (k.Expires.IsZero() || now.Before(k.Expires))
	purge := !now.Before(purgeable)
	out.DeletionDate, out.DeletedBy = date(k.Deleted), k.DeletedBy
	out.RestoreExpirationDate, out.RestoreAllowed = date(restorable), &restore
	out.PurgeAllowedFrom, out.PurgeAllowed = date(purgeable), &purge
	out.PurgeScheduledOn = date(k.Deleted.Add(kms.PurgeAfter))
}

// withPayload shows the material of a standard key, and wipes it.
func (out key) withPayload(material custody.Secret) key {
	out.Payload = base64.StdEncoding.EncodeToString(material.Reveal())
	material.Wipe()
	return out
}

func sendKey(k key) answer { return collect(typeKey, []key{k}).send() }

// newKeys is the body of a creation.
type newKeys struct {
	Metadata  *metadata `json:"metadata"`
	Resources []newKey  `json:"resources"`
}

type newKey struct {
	Type           string   `json:"type"`
	Name           string   `json:"name"`
	Aliases        []string `json:"aliases"`
	Description    string   `json:"description"`
	Tags           []string `json:"tags"`
	ExpirationDate string   `json:"expirationDate"`
	Extractable    *bool    `json:"extractable"`
	Payload        string   `json:"payload"`
}

// createRequest is a creation that was understood.
type createRequest struct {
	key            kms.NewKey
	representation bool
}

func parseCreate(c *call) (createRequest, error) {
	var body newKeys
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return createRequest{}, err
	}
	switch {
	case body.Metadata == nil:
		return createRequest{}, errBody.On("", "CollectionMetadata is empty")
	case len(body.Resources) == 0:
		return createRequest{}, errBody.On("", "Resources is empty")
	case len(body.Resources) > 1:
		return createRequest{}, errBody.On("", "Only creation of one key per request is supported")
	case body.Metadata.CollectionTotal != 1:
		return createRequest{}, errTotal
	case body.Metadata.CollectionType != typeKey:
		return createRequest{}, kms.ErrField.On("collectionType", typeKey)
	}
	n, err := body.Resources[0].parse()
	return createRequest{key: n, representation: wantsRepresentation(c)}, err
}

// parse reads the fields that are not plain text. A key is extractable unless it says otherwise.
func (n newKey) parse() (kms.NewKey, error) {
	if n.Type != typeKey {
		return kms.NewKey{}, kms.ErrField.On("type", typeKey)
	}
	out := kms.NewKey{
		Name: n.Name, Description: n.Description, Aliases: n.Aliases, Tags: n.Tags,
		Extractable: n.Extractable == nil || *n.Extractable,
	}
	var err error
	if n.ExpirationDate != "" {
		if out.Expires, err = time.Parse(time.RFC3339, n.ExpirationDate); err != nil {
			return kms.NewKey{}, kms.ErrField.On("expirationDate", "a date and time in the form of RFC 3339")
		}
	}
	out.Payload, err = decodeField("payload", "a base64 encoded key material", n.Payload)
	return out, err
}

// decodeField decodes the base64 of a field. What is told of an error is a position, no content.
func decodeField(name, rule, text string) (custody.Secret, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		clear(b)
		return custody.Secret{}, kms.ErrField.On(name, rule+": "+err.Error())
	}
	return custody.NewSecret(b), nil
}

func (s *server) createKey(ctx context.Context, who iam.Caller, ref kms.Ref, in createRequest) (answer, error) {
	out, err := s.keys.Create(ctx, who, ref, in.key)
	if err != nil {
		return answer{}, err
	}
	k := s.minimal(&out.Key)
	if in.representation {
		k = k.withPayload(out.Material)
	}
	out.Material.Wipe()
	return sendKey(k), nil
}

func (s *server) getKey(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
	k, material, err := s.keys.Get(ctx, who, ref)
	if err != nil {
		return answer{}, err
	}
	return sendKey(s.full(&k).withPayload(material)), nil
}

func (s *server) getMetadata(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
	k, err := s.keys.Metadata(ctx, who, ref)
	if err != nil {
		return answer{}, err
	}
	return sendKey(s.full(&k)), nil
}

// parseDelete says whether the deleted key is to be shown. What force would override does not
// exist yet: keys have no registrations.
func parseDelete(c *call) (representation bool, err error) {
	q := queryOf(c, "force")
	q.is("force")
	if representation = wantsRepresentation(c); representation {
		c.Trail.Success = http.StatusOK
	}
	return representation, q.err
}

func (s *server) deleteKey(ctx context.Context, who iam.Caller, ref kms.Ref, representation bool) (answer, error) {
	k, err := s.keys.Delete(ctx, who, ref)
	switch {
	case err != nil:
		return answer{}, err
	case representation:
		return sendKey(s.full(&k)), nil
	}
	return answer{}, nil
}

func parseList(c *call) (kms.ListRequest, error) {
	q := queryOf(c, "limit", "offset", "state", "extractable", "sort", "totalCount")
	req := kms.ListRequest{
		States: q.states(), Extractable: q.flag("extractable"), Sort: q.sort(),
		Limit: q.limit(), Offset: q.offset(), Total: q.is("totalCount"),
	}
	return req, q.err
}

func (s *server) listKeys(ctx context.Context, who iam.Caller, ref kms.Ref, req kms.ListRequest) (answer, error) {
	keys, total, err := s.keys.List(ctx, who, ref, req)
	if err != nil {
		return answer{}, err
	}
	resources := make([]key, len(keys))
	for i := range keys {
		resources[i] = s.listed(&keys[i])
	}
	out := collect(typeKey, resources)
	if req.Total {
		out = out.counted(total)
	}
	return out.send(), nil
}

func parseHead(c *call) (kms.ListRequest, error) {
	q := queryOf(c, "state", "extractable")
	return kms.ListRequest{States: q.states(), Extractable: q.flag("extractable")}, q.err
}

func (s *server) headKeys(ctx context.Context, who iam.Caller, ref kms.Ref, req kms.ListRequest) (answer, error) {
	total, err := s.keys.Count(ctx, who, ref, req)
	if err != nil {
		return answer{}, err
	}
	return answer{Header: http.Header{"Key-Total": {strconv.Itoa(total)}}, Type: typeKey}, nil
}

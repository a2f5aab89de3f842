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
	CheckValue            string             `json:"checkValue,omitempty"` // ours: of imported root key material
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
	Rotation              *rotation          `json:"rotation,omitempty"`
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

// dualAuthDelete tells whether two people are needed to delete a key. The other members are there
// while a first one has authorized it.
type dualAuthDelete struct {
	Enabled           bool   `json:"enabled"`
	KeySetForDeletion *bool  `json:"keySetForDeletion,omitempty"`
	AuthExpiration    string `json:"authExpiration,omitempty"`
}

func dualAuthOf(k *kms.Key, now time.Time) *dualAuthDelete {
	out := &dualAuthDelete{Enabled: k.DualAuth != nil && k.DualAuth.Enabled}
	if out.Enabled {
		a := k.AuthorizedAt(now)
		set := a != nil
		out.KeySetForDeletion = &set
		if set {
			out.AuthExpiration = date(a.Expires)
		}
	}
	return out
}

// deprecated is what the protocol says of algorithms today.
const deprecated = "Deprecated"

// minimal returns the columns that the answer to a creation has.
func (s *server) minimal(k *kms.Key) key {
	return key{
		Type: typeKey, ID: k.ID, Name: k.Name, Aliases: k.Aliases, Description: k.Description,
		State: k.StateAt(s.now()), ExpirationDate: date(k.Expires), Extractable: k.Extractable,
		CRN:      crn.Of(crn.KeyProtect, s.region, string(k.Account), string(k.Instance), "key", string(k.ID)).String(),
		Imported: k.Imported, CheckValue: k.CheckValue, KeyRingID: k.Ring, Deleted: k.State == kms.Destroyed,
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
	out.DualAuthDelete, out.Rotation = dualAuthOf(k, s.now()), rotationOf(k.Rotation)
	if k.State == kms.Destroyed {
		out.tellDeletion(k, s.now(), s.keys.PurgeableFrom(k))
	}
	return out
}

// tellDeletion adds what can still be done with a deleted key, and until when.
func (out *key) tellDeletion(k *kms.Key, now, purgeable time.Time) {
	restorable := k.Deleted.Add(kms.RestoreWindow)
	restore := k.Recoverable(now)
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
	broughtMaterial

	// Policies, where they can be given.
	Rotation       *newRotation `json:"rotation"`
	DualAuthDelete *newDualAuth `json:"dualAuthDelete"`
}

// createRequest is a creation that was understood.
type createRequest struct {
	key            kms.NewKey
	representation bool
}

func parseCreate(c *call) (createRequest, error) {
	req, given, err := parseNewKey(c)
	if err == nil && (given.Rotation != nil || given.DualAuthDelete != nil) {
		err = errBody.On("", "policies are given to keys_with_policy_overrides")
	}
	return req, err
}

// parseCreateWithPolicies reads a creation with all policies that the key shall have.
func parseCreateWithPolicies(c *call) (createRequest, error) {
	req, given, err := parseNewKey(c)
	if err != nil {
		return req, err
	}
	dualAuth, err := given.DualAuthDelete.change()
	req.key.Policies = &kms.PolicyChange{Rotation: given.Rotation.change(), DualAuth: dualAuth}
	return req, err
}

// parseNewKey reads the body of a creation.
func parseNewKey(c *call) (createRequest, newKey, error) {
	repeat := repeatOf(c)
	var body newKeys
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return createRequest{}, newKey{}, err
	}
	switch {
	case body.Metadata == nil:
		return createRequest{}, newKey{}, errBody.On("", "CollectionMetadata is empty")
	case len(body.Resources) == 0:
		return createRequest{}, newKey{}, errBody.On("", "Resources is empty")
	case len(body.Resources) > 1:
		return createRequest{}, newKey{}, errBody.On("", "Only creation of one key per request is supported")
	case body.Metadata.CollectionTotal != 1:
		return createRequest{}, newKey{}, errTotal
	case body.Metadata.CollectionType != typeKey:
		return createRequest{}, newKey{}, kms.ErrField.On("collectionType", typeKey)
	}
	n, err := body.Resources[0].parse()
	n.Repeat = repeat.request()
	return createRequest{key: n, representation: wantsRepresentation(c)}, body.Resources[0], err
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
		if out.Expires.Year() <= 1 { // the zero time of Go, which would mean never
			return kms.NewKey{}, kms.ErrField.On("expirationDate", "a date in the future")
		}
	}
	out.Payload, out.Transported, err = n.broughtMaterial.parse()
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

// deletion says how to delete a key, and whether to show it then.
type deletion struct{ force, representation bool }

func parseDelete(c *call) (deletion, error) {
	q := queryOf(c, "force")
	in := deletion{force: q.is("force"), representation: wantsRepresentation(c)}
	if in.representation {
		c.Trail.Success = http.StatusOK
	}
	return in, q.err
}

func (s *server) deleteKey(ctx context.Context, who iam.Caller, ref kms.Ref, in deletion) (answer, error) {
	destroy := s.keys.Delete
	if in.force {
		destroy = s.keys.ForceDelete
	}
	k, err := destroy(ctx, who, ref)
	switch {
	case err != nil:
		return answer{}, err
	case in.representation:
		return sendKey(s.full(&k)), nil
	}
	return answer{}, nil
}

func parseList(c *call) (kms.ListRequest, error) {
	q := queryOf(c, "limit", "offset", "state", "extractable", "filter", "search", "sort", "totalCount")
	req := q.narrowed()
	req.Search, req.Sort = q.search(), q.sort()
	req.Limit, req.Offset, req.Total = q.limit(), q.offset(), q.is("totalCount")
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
	out.Metadata.SearchQuery = showSearch(req.Search)
	return out.send(), nil
}

func parseHead(c *call) (kms.ListRequest, error) {
	q := queryOf(c, "state", "extractable", "filter")
	req := q.narrowed()
	return req, q.err
}

func (s *server) headKeys(ctx context.Context, who iam.Caller, ref kms.Ref, req kms.ListRequest) (answer, error) {
	total, err := s.keys.Count(ctx, who, ref, req)
	if err != nil {
		return answer{}, err
	}
	return answer{Header: http.Header{"Key-Total": {strconv.Itoa(total)}}, Type: typeKey}, nil
}

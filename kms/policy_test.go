package kms_test

import (
	"slices"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/kms"
)

const reader = "crn:v1:bluemix:public:iam::::serviceRole:Reader"

// TestRealPolicies lets the real policies decide, with grants that a database cannot express.
func TestRealPolicies(t *testing.T) {
	h := newHouse(t)
	access := iam.NewAccess(iam.AccessConfig{Store: h.DB.Access(), Hub: h.Hub, Recorder: h.Log, Now: h.Clock.Now})
	h.Service = kms.New(h.Config(func(c *kms.Config) { c.Decider, c.Viewer = access, access }))
	var refs []kms.Ref
	for range 12 {
		refs = append(refs, h.create(t, kms.NewKey{}))
	}
	wrapped := h.wrap(t, refs[0], "data key")
	slices.SortFunc(refs, func(a, b kms.Ref) int { return strings.Compare(a.Key, b.Key) })

	who := iamtest.Caller(account, "user-1")
	for _, pattern := range []string{refs[3].Key[:12] + "*", "????????-" + refs[7].Key[9:13] + "-*" + refs[7].Key[30:]} {
		_, err := access.CreatePolicy(t.Context(), h.owner, iam.Policy{
			Account: account, Type: iam.PolicyAccess, Roles: []string{reader},
			Subject: []iam.Attribute{{Key: iam.AttrIAMID, Operator: iam.StringEquals, Value: iam.Text(string(who.Identity))}},
			Resource: []iam.Attribute{
				{Key: iam.AttrAccount, Operator: iam.StringEquals, Value: iam.Text(string(account))},
				{Key: iam.AttrService, Operator: iam.StringEquals, Value: iam.Text("kms")},
				{Key: iam.AttrInstance, Operator: iam.StringEquals, Value: iam.Text(string(h.ID))},
				{Key: iam.AttrType, Operator: iam.StringEquals, Value: iam.Text("key")},
				{Key: iam.AttrResource, Operator: iam.StringMatch, Value: iam.Text(pattern)},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	req := kms.ListRequest{States: anyState, Limit: 10, Total: true}
	for _, c := range []struct {
		limit, offset int
		want          []kms.Ref
	}{
		{10, 0, []kms.Ref{refs[3], refs[7]}},
		{1, 0, refs[3:4]},
		{1, 1, refs[7:8]},
		{1, 2, nil},
	} {
		req.Limit, req.Offset = c.limit, c.offset
		keys, total, err := h.List(t.Context(), who, h.ref(""), req)
		same := slices.EqualFunc(keys, c.want, func(k kms.Key, r kms.Ref) bool { return string(k.ID) == r.Key })
		if err != nil || total != 2 || !same {
			t.Errorf("limit %d, offset %d: %d of %d keys, %v", c.limit, c.offset, len(keys), total, err)
		}
	}
	for i, ref := range refs {
		want := error(iam.ErrForbidden)
		if i == 3 || i == 7 {
			want = nil
		}
		_, err := h.Wrap(t.Context(), who, ref, custody.Secret{}, nil)
		wantError(t, err, want)
		_, err = h.Metadata(t.Context(), who, ref)
		wantError(t, err, want)
		_, _, err = h.Get(t.Context(), who, ref) // not for readers
		wantError(t, err, iam.ErrForbidden)
	}
	_, err := h.Metadata(t.Context(), who, h.ref("absent"))
	wantError(t, err, iam.ErrForbidden)
	_, err = h.Unwrap(t.Context(), iamtest.Caller(account, "user-2"), refs[0], wrapped, nil)
	wantError(t, err, iam.ErrForbidden)

	before := h.DB.Statements()
	_, err = h.Wrap(t.Context(), who, refs[3], custody.Secret{}, nil)
	wantError(t, err, nil)
	if n := h.DB.Statements() - before; n != 0 {
		t.Errorf("%d statements in the steady state", n)
	}
}

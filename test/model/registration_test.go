package model_test

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/kms"
)

var (
	serviceOnly          = outcome{http.StatusForbidden, "SERVICE_ONLY_ERR"}
	otherOwner           = outcome{http.StatusForbidden, "RESOURCE_OWNER_ERR"}
	registrationNotFound = outcome{http.StatusNotFound, "REGISTRATION_NOT_FOUND_ERR"}
)

// registration says that a key protects a resource.
type registration struct {
	description, metadata string
	retained              bool
	version               string
	created, updated      time.Time
}

// registrationFields are what a service says of a resource; what is nil is left out.
type registrationFields struct {
	description, metadata *string
	retained              *bool
	version               *string
}

// retained says whether a resource that the key protects must be kept.
func (k *modelKey) retained() bool {
	for _, r := range k.registrations {
		if r.retained {
			return true
		}
	}
	return false
}

// registering is on for what services do with registrations.
func (m *model) registering(c caller, ref, resource string, action iam.Action) (*modelKey, *outcome) {
	k, refused := m.on(c, ref, action)
	switch {
	case refused != nil && *refused == unauthorized:
		return nil, refused
	case c.name != service:
		return nil, &serviceOnly
	case !strings.HasPrefix(resource, strings.TrimSuffix(storage().String(), ":")):
		return nil, &otherOwner
	}
	return k, refused
}

// registrable says why a key cannot protect a resource.
func (m *model) registrable(k *modelKey) *outcome {
	switch s := k.stateAt(m.now); {
	case k.extractable:
		return &outcome{http.StatusUnprocessableEntity, "KEY_ROOT_REQ_REG_ERR"}
	case s == 5:
		return &gone
	case s != 1:
		return &outcome{http.StatusUnprocessableEntity, "KEY_INVALID_STATE_ERR"}
	}
	return nil
}

func (m *model) register(c caller, ref, resource string, f registrationFields) (*modelKey, outcome) {
	k, refused := m.registering(c, ref, resource, kms.ActionRegistrationCreate)
	if refused == nil {
		refused = m.registrable(k)
	}
	switch {
	case refused != nil:
		return nil, *refused
	case k.registrations[resource] != nil:
		return nil, outcome{http.StatusConflict, "REGISTRATION_NOT_UNIQUE_ERR"}
	}
	k.registrations[resource] = &registration{version: k.versions[0], created: m.now}
	m.note(k.registrations[resource], f)
	return k, created
}

func (m *model) note(r *registration, f registrationFields) {
	if f.description != nil {
		r.description = *f.description
	}
	if f.metadata != nil {
		r.metadata = *f.metadata
	}
	if f.retained != nil {
		r.retained = *f.retained
	}
	if f.version != nil {
		r.version = *f.version
	}
	r.updated = m.now
}

func (m *model) updateRegistration(c caller, ref, resource string, whole bool, f registrationFields) (*modelKey, outcome) {
	action := kms.ActionRegistrationWrite
	if whole {
		action = kms.ActionRegistrationReplace
		if f.description == nil || f.metadata == nil || f.retained == nil || f.version == nil {
			return nil, m.garbled(c, ref, action)
		}
	}
	k, refused := m.registering(c, ref, resource, action)
	switch {
	case refused != nil:
		return nil, *refused
	case k.registrations[resource] == nil:
		return nil, registrationNotFound
	}
	if refused := m.registrable(k); refused != nil {
		return nil, *refused
	}
	r := k.registrations[resource]
	if f.version != nil && !k.newer(*f.version, r.version) {
		return nil, outcome{http.StatusUnprocessableEntity, "KEY_VERSION_INVALID"}
	}
	m.note(r, f)
	return k, ok
}

// newer says whether a version of the key was made after another.
func (k *modelKey) newer(version, than string) bool {
	i := slices.Index(k.versions, version)
	return i >= 0 && i < slices.Index(k.versions, than)
}

func (m *model) unregister(c caller, ref, resource string) outcome {
	k, refused := m.registering(c, ref, resource, kms.ActionRegistrationDelete)
	switch {
	case refused != nil:
		return *refused
	case k.registrations[resource] == nil:
		return registrationNotFound
	}
	delete(k.registrations, resource)
	return done
}

// registrationView is a registration as it is shown.
type registrationView struct {
	KeyID                string `json:"keyId"`
	KeyName              string `json:"keyName"`
	ResourceCRN          string `json:"resourceCrn"`
	CreatedBy            string `json:"createdBy"`
	CreationDate         string `json:"creationDate"`
	UpdatedBy            string `json:"updatedBy"`
	LastUpdated          string `json:"lastUpdated"`
	Description          string `json:"description"`
	RegistrationMetadata string `json:"registrationMetadata"`
	PreventKeyDeletion   bool   `json:"preventKeyDeletion"`
	KeyVersion           struct {
		ID string `json:"id"`
	} `json:"keyVersion"`
}

// registrationOf is how a registration looks to a caller. What a service notes for itself is for
// services.
func (k *modelKey) registrationOf(resource string, c caller) registrationView {
	r, by := k.registrations[resource], string(identityOf(service))
	v := registrationView{
		KeyID: k.id, KeyName: k.name, ResourceCRN: resource, CreatedBy: by, CreationDate: moment(r.created),
		UpdatedBy: by, LastUpdated: moment(r.updated), Description: r.description, PreventKeyDeletion: r.retained,
	}
	if c.name == service {
		v.RegistrationMetadata = r.metadata
	}
	v.KeyVersion.ID = r.version
	return v
}

// bucket is a resource of the calling service.
func bucket(name string) string {
	s := storage()
	return crn.Of(s.Service, s.Location, string(account), s.Instance, "bucket", name).String()
}

func someresource(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		bucket("one"), bucket("one"), bucket("two"), bucket("two-2"),
		crn.Of(crn.ObjectStorage, "global", string(account), "another", "bucket", "one").String(),
	}).Draw(t, "resource")
}

func (m *machine) registering(t *rapid.T, method string) request {
	resource := someresource(t)
	return request{
		caller: oneOf(t, service), method: method,
		path: "/keys/" + m.somekey(t) + "/registrations/" + url.PathEscape(resource),
	}
}

// resourceOf returns the resource that a path names.
func resourceOf(r request) string {
	resource, err := url.PathUnescape(r.path[strings.LastIndex(r.path, "/")+1:])
	if err != nil {
		panic(err) // a mistake in the test
	}
	return resource
}

// somefields draws what is said of a resource.
func somefields(t *rapid.T) (f registrationFields, fields map[string]any) {
	fields = map[string]any{}
	if rapid.IntRange(0, 3).Draw(t, "described") > 0 {
		text := rapid.SampledFrom([]string{"", "a bucket", "other words"}).Draw(t, "description")
		f.description, fields["description"] = &text, text
	}
	if rapid.IntRange(0, 3).Draw(t, "noted") > 0 {
		text := rapid.SampledFrom([]string{"", "note"}).Draw(t, "metadata")
		f.metadata, fields["registrationMetadata"] = &text, text
	}
	if rapid.IntRange(0, 3).Draw(t, "bound") > 0 {
		retained := rapid.IntRange(0, 3).Draw(t, "retained") == 0
		f.retained, fields["preventKeyDeletion"] = &retained, retained
	}
	return f, fields
}

const registrationInput = "application/vnd.ibm.kms.registration_input+json"

func (m *machine) register(t *rapid.T) {
	r := m.registering(t, http.MethodPost)
	f, fields := somefields(t)
	r.body = collection(registrationInput, fields)
	k, foretold := m.model.register(r.caller, named(r), resourceOf(r), f)
	m.compareRegistration(t, r, k, foretold)
}

func (m *machine) updateRegistration(t *rapid.T) {
	whole := rapid.Bool().Draw(t, "whole")
	r := m.registering(t, http.MethodPatch)
	if whole {
		r.method = http.MethodPut
	}
	f, fields := somefields(t)
	if k := m.model.find(named(r)); rapid.Bool().Draw(t, "versioned") {
		version := "00000000-0000-4000-8000-000000000001"
		if k != nil {
			version = rapid.SampledFrom(k.versions).Draw(t, "version")
		}
		f.version, fields["keyVersionId"] = &version, version
	}
	r.body = collection(registrationInput, fields)
	k, foretold := m.model.updateRegistration(r.caller, named(r), resourceOf(r), whole, f)
	m.compareRegistration(t, r, k, foretold)
}

func (m *machine) compareRegistration(t *rapid.T, r request, k *modelKey, foretold outcome) {
	t.Helper()
	got := m.do(t, r, foretold)
	if k == nil {
		return
	}
	expected := []registrationView{k.registrationOf(resourceOf(r), r.caller)}
	if diff := cmp.Diff(expected, resources[registrationView](got)); diff != "" {
		t.Fatalf("registration (-model +service):\n%s", diff)
	}
}

func (m *machine) unregister(t *rapid.T) {
	r := m.registering(t, http.MethodDelete)
	m.do(t, r, m.model.unregister(r.caller, named(r), resourceOf(r)))
}

// pattern is what registrations are asked for by the names of their resources.
type pattern struct {
	text  string
	open  bool // for all keys it is too wide
	match func(resource string) bool
}

func somepattern(t *rapid.T) pattern {
	all := func(string) bool { return true }
	begins := func(prefix string) func(string) bool {
		return func(resource string) bool { return strings.HasPrefix(resource, prefix) }
	}
	return rapid.SampledFrom([]pattern{
		{match: all},
		{text: bucket("one"), match: func(r string) bool { return r == bucket("one") }},
		{text: bucket("two*"), match: begins(bucket("two"))},
		{text: bucket("*"), match: all},
		{text: strings.Replace(bucket("two"), ":bucket:", ":*:", 1), match: func(r string) bool { return r == bucket("two") }},
		{text: strings.Replace(bucket("*"), storage().Instance, "*", 1), open: true, match: all},
	}).Draw(t, "pattern")
}

func (m *machine) listRegistrations(t *rapid.T) {
	r, q, p := request{caller: someone(t), method: http.MethodGet}, url.Values{}, somepattern(t)
	if p.text != "" {
		q.Set("urlEncodedResourceCRNQuery", p.text)
	}
	retained := rapid.SampledFrom([]string{"", "", "true", "false"}).Draw(t, "retained")
	if retained != "" {
		q.Set("preventKeyDeletion", retained)
	}
	page := somepage(t, q)
	among, refused := m.registered(t, &r, p)
	r.path += "?" + q.Encode()
	switch {
	case page.wrong && (refused == nil || *refused == notFound):
		m.do(t, r, badParameter)
		return
	case refused != nil:
		m.do(t, r, *refused)
		return
	}
	list := []registrationView{}
	for _, k := range among {
		for resource, of := range k.registrations {
			if p.match(resource) && (retained == "" || retained == strconv.FormatBool(of.retained)) {
				list = append(list, k.registrationOf(resource, r.caller))
			}
		}
	}
	slices.SortFunc(list, func(a, b registrationView) int {
		return strings.Compare(a.KeyID+a.ResourceCRN, b.KeyID+b.ResourceCRN)
	})
	got := m.do(t, r, ok)
	if diff := cmp.Diff(cut(page, list), resources[registrationView](got)); diff != "" {
		t.Fatalf("%s %s: registrations (-model +service):\n%s", r.name, r.path, diff)
	}
	page.checkTotal(t, got, len(list))
}

// registered completes the path of a list, and returns the keys whose registrations it shows.
func (m *machine) registered(t *rapid.T, r *request, p pattern) ([]*modelKey, *outcome) {
	if rapid.Bool().Draw(t, "of one key") {
		r.path = "/keys/" + m.somekey(t) + "/registrations"
		k, refused := m.model.on(r.caller, named(*r), kms.ActionRegistrationList)
		return []*modelKey{k}, refused
	}
	r.path = "/keys/registrations"
	visible, refused := m.model.visible(r.caller, kms.ActionRegistrationList)
	if refused == nil && p.open {
		return nil, &badParameter
	}
	return visible, refused
}

package kms

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// Ref is how a request names a key, or for lists and creation the place where keys are.
type Ref struct {
	Instance InstanceID
	Key      string // the ID or an alias; empty for the instance
	Ring     RingID // the ring that the request insists on; empty means any
}

// operation is what is asked of a key.
type operation struct {
	action iam.Action
	change bool               // act commits a change together with the event
	check  func() error       // rules of the request itself, before anything is said of the key; may be nil
	act    func(*visit) error // what is done with the key, if there is one
	log    iam.Recorder       // where the event goes; nil means the log of the service
}

// visit is one operation on its way through the door.
type visit struct {
	now      time.Time
	instance Instance
	record   *Record           // nil if there is no such key
	policies *InstancePolicies // of the instance; nil if there is none
	object   iam.Object
	event    *audit.Event
	cause    error // why what the request is for cannot be known
}

// visit takes an operation on a key through the door.
func (s *Service) visit(ctx context.Context, who iam.Caller, ref Ref, op operation) error {
	if op.change {
		return s.pass(ctx, who, s.approach(ctx, who, ref, op.action, cached), op)
	}
	return s.steady(func(from source) error {
		return s.pass(ctx, who, s.approach(ctx, who, ref, op.action, from), op)
	})
}

// approach finds out what is needed for the decision and for the record, and decides nothing.
func (s *Service) approach(ctx context.Context, who iam.Caller, ref Ref, action iam.Action, from source) *visit {
	v := s.approachInstance(ctx, who, ref, action)
	if v.cause != nil {
		return v
	}
	if from == authoritative {
		if s.screen(ctx, who, v, from); v.cause != nil {
			return v
		}
	}
	v.object.Type = "key"
	record, err := s.find(ctx, v.instance.ID, ref, from)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		v.event.Target.Name = clip(ref.Key)
	case err != nil && v.instance.Account != who.Account:
		v.cause = iam.ErrForbidden // an outage tells strangers nothing either
	case err != nil:
		v.cause = unreadable(err, from)
	default:
		v.record = record
		v.object.KeyRing, v.object.Resource = string(record.Ring), string(record.ID)
		v.event.Target.ID = v.instance.CRN.Child("key", string(record.ID)).String()
		v.event.Target.Name = record.Name
	}
	return v
}

// approachInstance is approach for the instance alone.
func (s *Service) approachInstance(ctx context.Context, who iam.Caller, ref Ref, action iam.Action) *visit {
	v := &visit{now: s.now()}
	v.event = who.Event(action, audit.Target{TypeURI: typeURI(action)})
	v.event.DataEvent = usesData(action)
	v.event.Target.Name = clip(string(ref.Instance))
	if v.event.RequestData == nil {
		v.event.RequestData = map[string]any{}
	}
	v.event.RequestData["instanceID"] = string(ref.Instance)
	if ref.Ring != "" {
		v.event.RequestData["keyRingId"] = clip(string(ref.Ring))
	}
	v.object = iam.Object{Service: crn.KeyProtect, Instance: string(ref.Instance)}
	in, err := s.instances.Instance(ctx, ref.Instance)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		v.cause = iam.ErrForbidden // unknown and foreign instances look the same
		return v
	case err != nil:
		v.cause = err
		return v
	}
	v.instance = in
	v.object.Account, v.object.Region, v.object.ResourceGroup = in.Account, in.Region, in.ResourceGroup
	v.event.LogSourceCRN = in.CRN.String()
	v.event.Target.ID = v.event.LogSourceCRN
	v.event.Target.ResourceGroupID = in.ResourceGroup
	s.screen(ctx, who, v, cached)
	return v
}

// unreadable says why a record could not be read. Without the lease that is an outage that
// passes, and the caller is told so.
func unreadable(err error, from source) error {
	if from == authoritative && fault.KindOf(err) == fault.Internal {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// doorFor is the door of the service for a visit, with another decider unless decide is nil. What
// is not there or could not be read cannot be decided about, and is refused for that.
func (s *Service) doorFor(v *visit, decide iam.Decider) *iam.Door {
	door := s.door
	if decide != nil {
		door.Decide = decide
	}
	if v.cause != nil {
		door.Decide = refusal{v.cause}
	}
	return &door
}

// pass takes a visit to a key through the door.
func (s *Service) pass(ctx context.Context, who iam.Caller, v *visit, op operation) error {
	door := s.doorFor(v, nil)
	if op.log != nil {
		door.Log = op.log
	}
	through := door.Read
	if op.change {
		through = door.Change
	}
	return through(ctx, who, decidedAs(op.action), v.object, v.event, func() error {
		if op.check != nil {
			if err := op.check(); err != nil {
				return err
			}
		}
		if v.record == nil {
			return ErrKeyNotFound
		}
		return op.act(v)
	})
}

// find returns the key that ref means, or a failure of kind NotFound.
func (s *Service) find(ctx context.Context, in InstanceID, ref Ref, from source) (*Record, error) {
	id, err := s.resolve(ctx, in, ref.Key, from)
	if err != nil {
		return nil, err
	}
	read := func(ctx context.Context) (*Record, error) {
		r, err := s.store.Record(ctx, in, id)
		return &r, err
	}
	var r *Record
	if from == cached {
		r, err = s.records.Get(ctx, keyRef{in, id}, read)
	} else {
		r, err = read(ctx)
	}
	switch {
	case err != nil:
		return nil, err
	case ref.Ring != "" && r.Ring != ref.Ring:
		return nil, ErrKeyNotFound
	case !isID(ref.Key) && !slices.Contains(r.Aliases, ref.Key):
		return nil, ErrKeyNotFound // the index of aliases is only believed if the key agrees
	}
	return r, nil
}

// resolve returns the ID that a name of a key stands for, without asking whether the key exists.
func (s *Service) resolve(ctx context.Context, in InstanceID, name string, from source) (KeyID, error) {
	if isID(name) {
		return KeyID(strings.ToLower(name)), nil
	}
	if checkAlias(name) != nil {
		return "", ErrKeyNotFound
	}
	read := func(ctx context.Context) (KeyID, error) { return s.store.Resolve(ctx, in, name) }
	if from == cached {
		return s.aliases.Get(ctx, aliasRef{in, name}, read)
	}
	return read(ctx)
}

// isID tells the ID of a key from an alias.
func isID(name string) bool { return len(name) == 36 && uuid.Validate(name) == nil }

// fresh reads the key of a visit again from the store, for a change.
func (s *Service) fresh(ctx context.Context, v *visit) (Key, error) {
	k, err := s.store.Key(ctx, v.instance.ID, v.record.ID)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return Key{}, ErrKeyNotFound
	case err != nil:
		return Key{}, fmt.Errorf("reading key %s: %w", v.record.ID, err)
	}
	return k, nil
}

// tries bounds how often a change is tried when others change the same key at the same time.
const tries = 32

// update changes the key of a visit: do returns the key as it shall be, and a new version or nil.
// It is repeated from a new reading when somebody else was first, so that no change is lost.
func (s *Service) update(ctx context.Context, v *visit, do func(Key) (Key, *Version, error)) (Key, error) {
	var version *Version
	write := func(ctx context.Context, k Key, ev *audit.Event) error {
		return s.store.UpdateKey(ctx, k, version, ev)
	}
	return s.updateBy(ctx, v, write, func(k Key) (next Key, err error) {
		next, version, err = do(k)
		return next, err
	})
}

// updateBy is update with another way to store the key, which fails with kind Stale when the
// stored key has another revision. The time of the visit becomes that of the change: not before the
// change that was made last, also when that one began later.
func (s *Service) updateBy(ctx context.Context, v *visit, write func(context.Context, Key, *audit.Event) error,
	do func(Key) (Key, error),
) (Key, error) {
	for range tries {
		was, err := s.fresh(ctx, v)
		if err != nil {
			return Key{}, err
		}
		if was.Updated.After(v.now) {
			v.now = was.Updated
		}
		next, err := do(was)
		if err != nil {
			return Key{}, err
		}
		err = write(ctx, next, v.event)
		if fault.KindOf(err) == fault.Stale {
			continue
		}
		if err != nil {
			return Key{}, fmt.Errorf("storing key %s: %w", was.ID, err)
		}
		next.Revision++
		return next, nil
	}
	return Key{}, ErrUnavailable
}

// tell adds to the event what readers of the audit log expect of an operation on k.
func (v *visit) tell(k *Key, more map[string]any) {
	data := map[string]any{"keyRingId": string(k.Ring)}
	for name, value := range more {
		data[name] = value
	}
	if !k.Expires.IsZero() {
		data["expirationDate"] = k.Expires.UTC().Format(time.RFC3339)
		data["daysToKeyExpire"] = int(math.Floor(float64(k.Expires.Unix()-v.now.Unix()) / day.Seconds()))
	}
	v.event.ResponseData = data
}

// tellTotal adds to the event of a list how many it returns, and of which ring if that is known.
func (v *visit) tellTotal(ring RingID, total int) {
	v.event.ResponseData = map[string]any{"totalResources": total}
	if ring != "" {
		v.event.ResponseData["keyRingId"] = clip(string(ring))
	}
}

// keyType is what events call the two kinds of keys.
func keyType(extractable bool) string {
	if extractable {
		return "standard_key"
	}
	return "root_key"
}

func clip(s string) string {
	const longest = 100
	if len(s) > longest {
		return s[:longest]
	}
	return s
}

// Refuse records and returns the failure of a request that could not be understood. Who may not
// do what was asked for hears that instead.
func (s *Service) Refuse(ctx context.Context, who iam.Caller, action iam.Action, ref Ref, cause error) error {
	refuse := func() error { return cause }
	switch action {
	case ActionCreate, ActionCreateWithPolicies:
		v := s.approachRing(ctx, who, ref, action)
		return s.doorFor(v, nil).Read(ctx, who, action, v.object, v.event, refuse)
	case ActionCreateImportToken, ActionReadImportToken:
		v := s.approachInstance(ctx, who, ref, action)
		return s.doorFor(v, nil).Read(ctx, who, action, v.object, v.event, refuse)
	case ActionInstancePolicyRead, ActionInstancePolicyWrite, ActionAllowedPort:
		v := s.approachInstance(ctx, who, ref, action)
		return s.doorFor(v, nil).Read(ctx, who, action, v.object, v.event, refuse)
	case ActionRingCreate, ActionRingList, ActionRingDelete:
		v := s.approachInstance(ctx, who, ref, action)
		return s.doorFor(v, nil).Read(ctx, who, action, v.object, v.event, refuse)
	case ActionList, ActionHead, ActionRegistrationList:
		if ref.Key != "" {
			break
		}
		v := s.approachInstance(ctx, who, ref, action)
		v.object.Type = "key"
		return s.doorFor(v, &viewing{viewer: s.viewer}).Read(ctx, who, action, v.object, v.event, refuse)
	}
	return s.visit(ctx, who, ref, operation{action: action, check: refuse})
}

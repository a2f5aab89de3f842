package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/iam"
)

// Retention is how long a deleted instance can be restored.
const Retention = 7 * 24 * time.Hour

// ReclamationID names a reclamation: a UUID.
type ReclamationID string

// ReclamationState is what is to become of a deleted instance.
type ReclamationState string

const (
	ReclamationScheduled ReclamationState = "SCHEDULED"
	ReclamationRunning   ReclamationState = "RECLAIMING"
	ReclamationRestoring ReclamationState = "RESTORING" // only in the answer to a restore
)

// Reclamation is a deleted instance that waits for its destruction.
type Reclamation struct {
	ID       ReclamationID
	State    ReclamationState
	Instance Instance  // as it is now
	Target   time.Time // when it is reclaimed without being asked
	Created  Stamp
	Updated  Stamp
}

func newReclamation(i Instance, by Stamp) Reclamation {
	return Reclamation{
		ID: ReclamationID(uuid.NewString()), State: ReclamationScheduled, Instance: i,
		Target: by.At.Add(Retention), Created: by, Updated: by,
	}
}

// ReclamationFilter chooses reclamations. Empty fields choose all.
type ReclamationFilter struct {
	Instance      InstanceID
	ResourceGroup GroupID
}

// wholeList is the page size with which lists that the protocol does not page
// are read.
const wholeList = 500

// Reclamations lists the reclamations of the caller's account whose instances
// it may see, oldest first.
func (s *Service) Reclamations(ctx context.Context, who iam.Caller, f ReclamationFilter) (list []Reclamation, err error) {
	ev := who.Event(ActionReclamationList, audit.Target{TypeURI: "resource-controller/reclamation"})
	err = s.lists.Read(ctx, who, ActionReclamationList, iam.Object{Account: who.Account}, ev, func() error {
		list, err = all(ctx,
			func(ctx context.Context, p Page) ([]Reclamation, error) {
				return s.store.Reclamations(ctx, who.Account, f, p)
			},
			func(r Reclamation) string { return string(r.ID) },
			func(r Reclamation) (bool, error) {
				return s.may(ctx, who, ActionReclamationRetrieve, r.Instance.object())
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// all is visible without an end of the page.
func all[T any](ctx context.Context, read func(context.Context, Page) ([]T, error), id func(T) string, see func(T) (bool, error)) ([]T, error) {
	var list []T
	page := Page{Limit: wholeList}
	for {
		part, more, err := visible(ctx, page, read, id, see)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
		if !more {
			return list, nil
		}
		page.After = id(part[len(part)-1])
	}
}

// Reclaim destroys what is in a deleted instance now. It is decided when Reclaim
// returns; destroying may go on after it. The comment is kept in the event.
func (s *Service) Reclaim(ctx context.Context, who iam.Caller, id ReclamationID, comment string) (Reclamation, error) {
	var begun Act
	rec, err := s.changeReclamation(ctx, who, ActionReclamationReclaim, id, comment, func(rec Reclamation, ev *audit.Event) (_ Reclamation, err error) {
		rec, begun, err = s.beginReclaim(ctx, rec, s.stamp(who), ev)
		return rec, err
	})
	if err != nil {
		return Reclamation{}, err
	}
	s.proceed(ctx, begun)
	return rec, nil
}

// Restore takes a deleted instance back into use. Its resource keys remain
// deleted.
func (s *Service) Restore(ctx context.Context, who iam.Caller, id ReclamationID, comment string) (Reclamation, error) {
	return s.changeReclamation(ctx, who, ActionReclamationRestore, id, comment, func(rec Reclamation, ev *audit.Event) (Reclamation, error) {
		by := s.stamp(who)
		i := rec.Instance
		i.State, i.LastOperation = StateActive, "restore"
		i.Deleted, i.Reclaim, i.Restored, i.Updated = Stamp{}, Stamp{}, by, by
		err := s.store.RestoreInstance(ctx, i, rec, ev)
		i.Revision++
		rec.State, rec.Updated, rec.Instance = ReclamationRestoring, by, i
		return rec, err
	})
}

// RefuseReclamation is Refuse for a request about one reclamation.
func (s *Service) RefuseReclamation(ctx context.Context, who iam.Caller, action iam.Action, id ReclamationID, cause error) error {
	_, object, ev, _ := s.locateReclamation(ctx, who, action, id)
	return s.door.Refuse(ctx, who, action, object, ev, cause)
}

func (s *Service) locateReclamation(ctx context.Context, who iam.Caller, action iam.Action, id ReclamationID,
) (Reclamation, iam.Object, *audit.Event, error) {
	rec, err := s.store.Reclamation(ctx, id)
	if isAbsent(err) || err == nil && rec.Instance.Account != who.Account {
		err = ErrNoReclamation
	}
	if err != nil {
		target := audit.Target{ID: string(id), TypeURI: "resource-controller/reclamation"}
		return Reclamation{}, iam.Object{Account: who.Account}, who.Event(action, target), err
	}
	target := rec.Instance.target()
	target.TypeURI = "resource-controller/reclamation"
	ev := who.Event(action, target)
	ev.LogSourceCRN = rec.Instance.CRN().String()
	return rec, rec.Instance.object(), ev, nil
}

// changeReclamation passes the door with a reclamation that is still scheduled.
func (s *Service) changeReclamation(ctx context.Context, who iam.Caller, action iam.Action, id ReclamationID, comment string,
	do func(Reclamation, *audit.Event) (Reclamation, error),
) (Reclamation, error) {
	rec, object, ev, missing := s.locateReclamation(ctx, who, action, id)
	if ev.RequestData == nil {
		ev.RequestData = map[string]any{}
	}
	ev.RequestData["reclamationID"] = string(id)
	if comment != "" {
		ev.RequestData["comment"] = comment
	}
	err := s.door.Change(ctx, who, action, object, ev, func() (err error) {
		if missing != nil {
			return missing
		}
		if rec.State != ReclamationScheduled {
			return ErrReclaiming
		}
		rec, err = do(rec, ev)
		return err
	})
	return rec, err
}

func (s *Service) beginReclaim(ctx context.Context, rec Reclamation, by Stamp, ev *audit.Event) (Reclamation, Act, error) {
	act, err := newAct(actReclaim, string(rec.Instance.ID), struct{}{}, by.At)
	if err != nil {
		return rec, act, err
	}
	rec.State, rec.Updated = ReclamationRunning, by
	rec.Instance.State, rec.Instance.Updated = StateReclaiming, by
	err = s.store.BeginReclaim(ctx, rec.Instance, rec, act, ev)
	rec.Instance.Revision++
	return rec, act, err
}

// reclaiming destroys what is in an instance. There is no way back.
func (s *Service) reclaiming(i Instance) script {
	return script{
		steps: []step{{
			do: func(ctx context.Context) error { return s.owner(i).Destroy(ctx, i) },
		}},
		finish: func(ctx context.Context, act Act) error {
			done := i
			done.State = StateRemoved
			return s.store.FinishReclaim(ctx, done, act)
		},
	}
}

// house is who acts when nobody has asked.
const house iam.IdentityID = "strongroom"

// reclaimDue begins and runs the reclamations whose time has come.
func (s *Service) reclaimDue(ctx context.Context) error {
	var failures []error
	for {
		due, err := s.store.DueReclamations(ctx, s.now(), batch)
		if err != nil {
			return errors.Join(append(failures, fmt.Errorf("listing due reclamations: %w", err))...)
		}
		begun := 0
		for _, rec := range due {
			by := Stamp{At: s.now().UTC(), By: house}
			ev := rec.Instance.event(ActionReclamationReclaim, by)
			ev.Outcome = audit.Success
			ev.Initiator = audit.Initiator{ID: string(house), Name: string(house), TypeURI: "service/security/clientid"}
			_, act, err := s.beginReclaim(ctx, rec, by, ev)
			if fault.KindOf(err) == fault.Stale {
				continue // restored or reclaimed in the meantime
			}
			if err == nil {
				begun++
				err = s.takeUp(ctx, act)
			}
			if err != nil && !errors.Is(err, errElsewhere) {
				failures = append(failures, fmt.Errorf("reclaiming instance %s: %w", rec.Instance.ID, err))
			}
		}
		if begun == 0 || len(due) < batch {
			return errors.Join(failures...)
		}
	}
}

package objects

import (
	"context"
	"encoding/json"
	"fmt"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// actionKeyState names the event of a key of a bucket that follows its root key (cos-api.md, section
// 25). No role contains it: the service does it by itself.
const actionKeyState iam.Action = "cloud-object-storage.bucket-key-state.update"

// rewrapCursor says how far a rewrap has come. What is about to be done is written down first, so
// that the usage of versions that wrap nothing any more is reported after a crash too.
type rewrapCursor struct {
	Done []BucketKeyID `json:",omitempty"`
	Was  []wrapVersion `json:",omitempty"` // that were left
}

// wrapVersion is a version of a root key.
type wrapVersion struct {
	Root    crn.CRN
	Version string
}

// rewrap wraps every key of a bucket by the newest version of its root key, and tells the key service.
func (s *Service) rewrap(ctx context.Context, j *Job) error {
	var at rewrapCursor
	if err := j.resume(&at); err != nil {
		return err
	}
	b, err := s.bucketOf(ctx, j)
	if err != nil {
		return err
	}
	keys, err := s.Store.BucketKeys(ctx, b.ID)
	if err != nil {
		return fmt.Errorf("reading the keys of bucket %q: %w", b.Name, err)
	}
	j.Total = int64(len(keys))
	done := map[BucketKeyID]bool{}
	for _, id := range at.Done {
		done[id] = true
	}
	var failed error
	for _, k := range keys {
		if done[k.ID] {
			continue
		}
		if err := s.rewrapKey(ctx, j, &b, k.ID, &at); err != nil {
			if passes(err) {
				return err
			}
			failed = err // the other keys may be under better root keys
			j.find("the key under " + rootName(k.Root) + " is not rewrapped: " + explained(err))
			continue
		}
		at.Done = append(at.Done, k.ID)
		j.Done++
		if err := s.advance(ctx, j, at); err != nil {
			return err
		}
	}
	for _, was := range at.Was {
		if err := s.tellRoot(ctx, &b, was.Root, was.Version); err != nil && passes(err) {
			return err
		}
	}
	return failed
}

// rewrapKey wraps one key anew, unless the newest version wraps it, and sees that the registration
// says so.
func (s *Service) rewrapKey(ctx context.Context, j *Job, b *Bucket, id BucketKeyID, at *rewrapCursor) error {
	leave, err := s.acts.enter(ctx, string(b.ID))
	if err != nil {
		return err
	}
	defer leave()
	k, err := s.Store.BucketKey(ctx, b.ID, id)
	switch {
	case fault.KindOf(err) == fault.NotFound || err == nil && k.Pending:
		return nil // it was removed meanwhile, or is still being made
	case err != nil:
		return fmt.Errorf("reading a key of bucket %q: %w", b.Name, err)
	}
	instance, err := s.instance(ctx, b)
	if err != nil {
		return err
	}
	root := s.rootOf(k)
	newest, err := s.RootKeys.Version(ctx, instance, root)
	if err != nil {
		return err
	}
	if newest != k.Wrapped.Version {
		at.Was = append(at.Was, wrapVersion{k.Root, k.Wrapped.Version})
		if err := s.advance(ctx, j, at); err != nil {
			return err
		}
		if k.Wrapped, err = s.RootKeys.Rewrap(ctx, instance, root, k.Wrapped, []string{b.CRN().String()}); err != nil {
			return err
		}
		if err := s.Store.UpdateBucketKey(ctx, k, s.keyEvent(j, b, k)); err != nil {
			return fmt.Errorf("storing a key of bucket %q: %w", b.Name, err)
		}
	}
	return s.register(ctx, j.requester(b), b, k)
}

// keyEvent is the event of a key of a bucket that is wrapped anew or was moved.
func (s *Service) keyEvent(j *Job, b *Bucket, k BucketKey) *audit.Event {
	who := iam.ServerCaller(b.Account)
	ev := who.Event(actionKeyState, audit.Target{ID: b.CRN().String(), TypeURI: typeURI(actionKeyState), Name: b.Name})
	ev.Time, ev.Outcome, ev.LogSourceCRN = s.Now(), audit.Success, b.instanceCRN().String()
	ev.RequestData = map[string]any{"jobId": j.ID}
	ev.ResponseData = map[string]any{
		"serviceInstanceId": string(b.Instance), "rootKey": rootName(k.Root), "keyVersionId": k.Wrapped.Version,
	}
	ev.Message = "Cloud Object Storage: update " + b.Name
	return ev
}

// rootName is what a root key is called in findings and events.
func rootName(root crn.CRN) string {
	if root == (crn.CRN{}) {
		return "the provider's root key"
	}
	return root.String()
}

// resume reads the cursor of a job that was begun before.
func (j *Job) resume(at any) error {
	if j.Cursor == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(j.Cursor), at); err != nil {
		return fmt.Errorf("reading how far job %s has come: %w", j.ID, err)
	}
	return nil
}

// note writes into a job how far it has come.
func (j *Job) note(at any) error {
	text, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("writing how far job %s has come: %w", j.ID, err)
	}
	j.Cursor = string(text)
	return nil
}

// advance stores how far a job has come.
func (s *Service) advance(ctx context.Context, j *Job, at any) error {
	if err := j.note(at); err != nil {
		return err
	}
	return s.saveJob(ctx, j)
}

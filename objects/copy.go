package objects

import (
	"context"
	"errors"
	"time"

	"strongroom/iam"
)

// Copy writes an object from another, which may have other keys and belong to another instance. It is
// decided and recorded twice: as a reading of the source, and as a write.
func (s *Service) Copy(ctx context.Context, who iam.Caller, c Copy) (Copied, error) {
	var done Copied
	err := s.visit(ctx, who, c.Bucket, operation{
		action: ActionObjectCopy, key: c.Key, change: true,
		act: func(v *visit) (err error) {
			v.request("copySource", clip(c.From.Bucket+"/"+c.From.Key))
			done, err = s.copy(ctx, v, c)
			return err
		},
	})
	return done, err
}

// copy is Copy behind the decision about the target.
func (s *Service) copy(ctx context.Context, v *visit, c Copy) (done Copied, err error) {
	if err := c.checkSelf(); err != nil {
		return Copied{}, err
	}
	from, err := s.openSource(ctx, v.who, c.From, getting{
		newest: ActionObjectCopyGet, version: ActionObjectCopyGetVersion, content: true,
	})
	if err != nil {
		return Copied{}, err
	}
	defer func() {
		// A copy that is committed is a success, whatever the end of its reading met.
		if cerr := from.Close(); err != nil {
			err = errors.Join(err, cerr)
		}
	}()
	if from.Length > MaxPut {
		return Copied{}, ErrRequest.On("x-amz-copy-source", "the source is larger than 5 GiB: copy it in parts")
	}
	w := c.Write
	w.takeFrom(&c, &from.Object, v.now)
	w.Expect = Expect{Size: from.Length, Want: w.Expect.Want}
	if w.Expect.Want == "" && from.Checksums.Algorithm != CRC64NVME {
		w.Expect.Want = from.Checksums.Algorithm
	}
	if done.Object, err = s.put(ctx, v, &w, from); err != nil {
		return Copied{}, err
	}
	done.Source = from.named()
	return done, nil
}

// named is the version as answers name it; empty if the bucket never kept any.
func (o *Object) named() VersionID {
	if !o.Versioned {
		return ""
	}
	return o.Version
}

// openSource reads an object that is to be copied, with the failures that a copy has for it.
func (s *Service) openSource(ctx context.Context, who iam.Caller, r Read, g getting) (*Content, error) {
	who.Within = r.Owner
	from, err := s.get(ctx, who, r, g)
	switch {
	case errors.Is(err, ErrNotModified):
		return nil, ErrPrecondition
	case errors.Is(err, ErrDeleteMarker):
		return nil, ErrRequest.On("x-amz-copy-source", "the version is a delete marker")
	}
	return from, err
}

// checkSelf refuses the copy of an object onto itself that would change nothing.
func (c *Copy) checkSelf() error {
	same := c.From.Bucket == c.Bucket && c.From.Key == c.Key && c.From.Version == ""
	changes := c.ReplaceHeaders || c.Redirect != "" || c.Encryption != Encryption{} || c.From.Customer != nil
	if same && !changes {
		return ErrRequest.On("", "the object would be copied onto itself without a change of its metadata or encryption")
	}
	return nil
}

// takeFrom takes over from the source what the directives of a copy say.
func (w *Write) takeFrom(c *Copy, from *Object, now time.Time) {
	if !c.ReplaceHeaders {
		w.Headers = from.Headers
	}
	if !c.ReplaceTags {
		w.Tags = from.Tags
	}
	if !c.KeepRetention || from.Retention == nil {
		return
	}
	switch kept := from.Retention; {
	case kept.Seconds < 0:
		w.Retention.Seconds = &kept.Seconds
	case kept.Until.After(now):
		w.Retention.Until = kept.Until
	}
}
